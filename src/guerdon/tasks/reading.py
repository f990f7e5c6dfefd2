"""Fields of data files, as anybody may have written them: prompts, chats, ids."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

_MESSAGES = '{"role": ..., "content": ...}'

_ODD = (bytes, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)
"""What Parquet holds and JSON does not: in a prompt or an answer there is no telling what it says.
A datetime is a date."""


class DataError(ValueError):
    """A file's row can't be used; the message names file, line, field and the mend."""


def check_prompt(prompt: Any, where: str) -> None:
    """Raises DataError unless it is text or chat messages; ``where`` is file, line and field.

    A message has a ``role`` that is text and ``content`` that is text, a list of parts with a
    ``type``, or (beside ``tool_calls``) nothing.
    """
    if isinstance(prompt, str):
        return
    if not isinstance(prompt, list | tuple):
        raise DataError(
            f"{where}: give text or a list of {_MESSAGES} messages, not {type(prompt).__name__}"
        )
    if not prompt:
        raise DataError(f"{where}: a list without messages; give one at least")
    for number, message in enumerate(prompt, 1):
        if wrong := _wrong_in(message):
            raise DataError(
                f"{where}, message {number}: {wrong} ({_MESSAGES} messages belong here)"
            )


def refuse_empty(prompt: Any, where: str) -> None:
    """Raises DataError for a prompt that says nothing: a model can't go on from it."""
    if prompt == "":
        raise DataError(f"{where}: an empty prompt; write one or remove the row")


def check_plain(value: Any, where: str) -> None:
    """Raises DataError for what Parquet holds as dates, decimals or bytes."""
    if isinstance(value, _ODD):
        raise DataError(f"{where}: a {type(value).__name__}; make it text or a number in the file")


def name_in(value: Any, where: str) -> str:
    """An id as text. Raises DataError unless it is text that is not empty, or a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise DataError(f"{where}: {value!r:.60} is no id; give text or a whole number")
    return str(value)


def is_chat(prompt: Any) -> bool:
    """Whether it is a list of chat messages."""
    return isinstance(prompt, list) and bool(prompt) and not any(map(_wrong_in, prompt))


def _wrong_in(message: Any) -> str | None:
    """What keeps this from being a chat message, or None."""
    if not isinstance(message, Mapping):
        return f"it is a {type(message).__name__}"
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not role:
        return f"its role is {role!r:.40}; give text such as 'user'"
    if content is None and not message.get("tool_calls"):
        return "it has no content; give text"
    if isinstance(content, list | tuple):
        if not all(map(_is_content_part, content)):
            return 'its content is a list, but not of {"type": "text", "text": ...} parts'
        return None
    if content is not None and not isinstance(content, str):
        return f"its content is a {type(content).__name__}; give text"
    return None


def _is_content_part(part: Any) -> bool:
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        return False
    return isinstance(part.get("text"), str) or (part["type"] != "text" and not part.get("text"))
