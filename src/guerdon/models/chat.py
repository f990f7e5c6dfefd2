"""Chats as a model reads and writes them: its template, or a plain one where it has none."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.records import Task

logger = logging.getLogger("guerdon.models")

PLAIN = "plain"
"""The template of models that have none, as text: a line that names the role, then what it says."""

_TOLD: set[str] = set()


def plain_chat(messages: Sequence[Mapping[str, Any]]) -> str:
    """Messages in the plain template, up to where the assistant begins.

    Content that is a list gives its parts of text; calls of tools are written as they are.

    >>> plain_chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    'System:\\nBe brief.\\n\\nUser:\\nHi\\n\\nAssistant:\\n'
    """
    turns = [f"{str(m['role']).capitalize()}:\n{_said(m)}\n\n" for m in messages]
    return "".join([*turns, "Assistant:\n"])


def _said(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list | tuple):
        return " ".join(str(part["text"]) for part in content if part.get("type") == "text")
    calls = message.get("tool_calls")
    return "\n".join(str(one) for one in (content, calls) if one)


def chat_ids(task: Task, tokenizer: Any) -> list[int]:
    """A chat's tokens, up to where the assistant begins. Raises ValueError naming the task."""
    if getattr(tokenizer, "chat_template", None) is not None:
        ids: list[int] = templated(
            task, tokenizer, list(task.prompt), tokenize=True, return_dict=False
        )
        return ids
    name = str(getattr(tokenizer, "name_or_path", ""))
    if name not in _TOLD:
        _TOLD.add(name)
        logger.warning(
            "the model has no chat template, so chats are written plainly (User: ... Assistant:); "
            "--model.chat-template FILE gives it one"
        )
    return list(tokenizer.encode(plain_chat(list(task.prompt))))  # type: ignore[arg-type]


def templated(task: Task, reader: Any, messages: list[Any], **settings: Any) -> Any:
    """Messages as the model's chat template writes them. Raises ValueError naming the task."""
    if getattr(reader, "chat_template", None) is None:
        raise ValueError(
            f"task {task.id!r} is a chat with images, and the model has no chat template; give "
            "the prompt as text, or a template (--model.chat-template FILE)"
        )
    try:
        return reader.apply_chat_template(messages, add_generation_prompt=True, **settings)
    except Exception as error:  # a template is a program of the model's
        raise ValueError(
            f"task {task.id!r}: the model's chat template can't write its messages "
            f"({type(error).__name__}: {error!s:.200}); give the prompt as text, or another "
            "template (--model.chat-template FILE)"
        ) from error


def turn_end(tokenizer: Any) -> int:
    """The token that ends an assistant's turn in the chat template; else the end-of-text token.

    It is the first special token that the template writes after what the assistant said.
    """
    end = int(tokenizer.eos_token_id)
    if getattr(tokenizer, "chat_template", None) is None:
        return end
    said = "what-is-said"
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": said}]
    try:
        after = tokenizer.apply_chat_template(messages, tokenize=False).rpartition(said)[2]
    except Exception:  # a template is a program of the model's, and may refuse this chat
        return end
    added = tokenizer.added_tokens_decoder.items()
    special = {*tokenizer.all_special_ids, *(i for i, token in added if token.special)}
    ids = tokenizer.encode(after, add_special_tokens=False)
    return int(next((i for i in ids if i in special), end))


def completion_ids(
    completions: Sequence[str], tasks: Sequence[Task], tokenizer: Any
) -> list[list[int]]:
    """The tokens of completions as a model would write them, each with the token that ends it.

    A chat's answer ends as the chat template ends a turn (`turn_end`), any other with the
    end-of-text token; a completion that has its end already gets no second one.
    """
    chat_end, text_end = turn_end(tokenizer), int(tokenizer.eos_token_id)
    written = sorted({str(tokenizer.convert_ids_to_tokens(end)) for end in (chat_end, text_end)})
    found = []
    for text, task in zip(completions, tasks, strict=True):
        end = text_end if isinstance(task.prompt, str) else chat_end
        ids = tokenizer.encode(_without(written, text), add_special_tokens=False)
        found.append([*ids, end])
    return found


def _without(ends: Sequence[str], text: str) -> str:
    """The text without the end tokens, and white space after them, that stand at its end."""
    for end in ends:
        if text.rstrip().endswith(end):
            text = text.rstrip().removesuffix(end)
    return text


def template_named(name: str) -> str | None:
    """The template that ``model.chat_template`` names: a file's, or None for the plain one.

    Raises ValueError where the file can't be read.
    """
    if name == PLAIN:
        return None
    try:
        return Path(name).expanduser().read_text()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"model.chat_template is {name!r:.200}, which can't be read ({error}); give a file "
            f"that holds a template (Jinja), or {PLAIN!r}"
        ) from error
