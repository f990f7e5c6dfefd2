"""How published data sets write their rows: which column is asked, and where the answer stands.

A file is read by the first of these that its first row fits, unless it has the columns that the
user, or `FileTasks`, names. So the raw files of GSM8K, MATH or MMLU, and data written for TRL or
verl, are tasks as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guerdon.parsing import last_boxed, options_of
from guerdon.tasks.choices import LETTERS
from guerdon.tasks.reading import DataError, check_prompt, is_chat

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a row asks, its reference answer (None = none), and what else reaches the rewards."""

    prompt: Any
    answer: Any
    columns: Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """One way to write rows: what fits it, how a row is read, and that in words.

    ``read`` raises DataError beginning with the field for a row that the layout does not fit.
    ``reward`` is the name of the one that reads such answers, where that is not the default.
    ``answered`` is False where rows have none.
    """

    name: str
    told: str
    fits: Callable[[Row], bool]
    read: Callable[[Row], Asked]
    reward: str = ""
    answered: bool = True


def layout_of(row: Row) -> Layout | None:
    """The layout of a file whose first row this is; None for one of none of these."""
    return next((one for one in LAYOUTS if one.fits(row)), None)


def _rest(row: Row, *used: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in used}


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"field {name!r}: {value!r:.60} is no text; mend or remove the row")
    return value


def _verl(row: Row) -> Asked:
    graded = row.get("reward_model")
    if not isinstance(graded, Mapping) or graded.get("ground_truth") is None:
        raise DataError("field 'reward_model': it has no ground_truth; mend or remove the row")
    extra = row.get("extra_info")
    split = extra.get("split") if isinstance(extra, Mapping) else None
    own = {"split": split} if split in ("train", "test") and "split" not in row else {}
    return Asked(row.get("prompt"), graded["ground_truth"], {**_rest(row, "prompt"), **own})


def _calls_tools(row: Row) -> bool:
    graded = row.get("reward_model")
    return isinstance(graded, Mapping) and "<tool_call>" in str(graded.get("ground_truth"))


_QUERIES = ("query", "SQL", "sql")
"""What the column with the reference query may be called."""


def _query(row: Row) -> Asked:
    field = next((name for name in _QUERIES if name in row), _QUERIES[0])
    columns = _rest(row, "question", field)
    if row.get("db_id") is not None and row.get("database") is None:
        columns["database"] = f"{row['db_id']}/{row['db_id']}.sqlite"
    return Asked(_text(row, "question"), _text(row, field), columns)


def _asks_for_a_query(row: Row) -> bool:
    data = any(row.get(name) is not None for name in ("db_id", "database", "schema"))
    return "question" in row and data and any(name in row for name in _QUERIES)


def _gsm8k(row: Row) -> Asked:
    worked = _text(row, "answer")
    _, marks, answer = worked.rpartition("####")
    if not marks or not answer.strip():
        raise DataError("field 'answer': no #### with the answer after it; mend or remove the row")
    columns = {**_rest(row, "question", "answer"), "solution": worked}
    return Asked(_text(row, "question"), answer.strip(), columns)


def _math(row: Row) -> Asked:
    answer = row.get("answer")
    if answer is None:
        answer = last_boxed(_text(row, "solution"))
    if answer is None:
        raise DataError("field 'solution': no \\boxed{} with the answer; mend or remove the row")
    return Asked(_text(row, "problem"), answer, _rest(row, "problem", "answer"))


def _options(row: Row) -> dict[str, str]:
    """Letter to text, as MMLU ("choices"), MMLU-Pro ("options"), ARC and columns A, B, ... do."""
    held = options_of(row.get("choices", row.get("options")))
    return held or {name: str(row[name]) for name in LETTERS if row.get(name) is not None}


_RIGHT = ("answerKey", "answer", "answer_index", "label")
"""What the column with the right choice may be called."""


def _choice(row: Row) -> Asked:
    options = _options(row)
    field = next((n for n in _RIGHT if n in row), _RIGHT[0])
    letter = _chosen(row.get(field), options)
    if letter is None or len(options) < 2:
        raise DataError(
            f"field {field!r}: {row.get(field)!r:.60} is none of the choices {', '.join(options)}; "
            "mend or remove the row"
        )
    listed = "\n".join(f"{letter}. {text}" for letter, text in options.items())
    used = ("question", "choices", "options", field, *options)
    return Asked(
        f"{_text(row, 'question')}\n{listed}\n",
        letter,
        {**_rest(row, *used), "choices": options},
    )


def _chosen(answer: Any, options: Mapping[str, str]) -> str | None:
    """The letter that a row calls right: itself, its place from 0, or its text."""
    if isinstance(answer, int) and not isinstance(answer, bool):
        return list(options)[answer] if 0 <= answer < len(options) else None
    said = str(answer).strip()
    if said in options:
        return said
    if said.isdecimal() and int(said) < len(options):
        return list(options)[int(said)]
    meant = [letter for letter, text in options.items() if text.strip() == said]
    return meant[0] if len(meant) == 1 else None


def _has_choices(row: Row) -> bool:
    return "question" in row and any(n in row for n in _RIGHT) and len(_options(row)) > 1


def _chat(row: Row) -> Asked:
    messages = row.get("messages")
    if messages is None or isinstance(messages, str):
        raise DataError("field 'messages': no list of messages; mend or remove the row")
    check_prompt(messages, "field 'messages'")
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise DataError("field 'messages': the last is not the assistant's; mend or remove the row")
    return Asked(messages[:-1], messages[-1]["content"], _rest(row, "messages"))


def _alpaca(row: Row) -> Asked:
    more = row.get("input") or ""
    prompt = _text(row, "instruction") + (f"\n\n{more}" if more else "")
    return Asked(prompt, row.get("output"), _rest(row, "instruction", "input", "output"))


def named(prompt: str, answer: str) -> Callable[[Row], Asked]:
    """Reads rows whose prompt and answer stand in the columns of these names."""

    def read(row: Row) -> Asked:
        return Asked(row.get(prompt), row.get(answer), _rest(row, prompt, answer))

    return read


def _with(*names: str) -> Callable[[Row], bool]:
    return lambda row: all(row.get(name) is not None for name in names)


LAYOUTS = (
    Layout(
        "verl, with calls of tools",
        "prompt, and reward_model.ground_truth as the answer",
        lambda row: "prompt" in row and _calls_tools(row),
        _verl,
        "tools",
    ),
    Layout(
        "verl",
        "prompt, and reward_model.ground_truth as the answer",
        lambda row: "prompt" in row and isinstance(row.get("reward_model"), Mapping),
        _verl,
    ),
    Layout(
        "TRL",
        "prompt, and ground_truth as the answer",
        lambda row: _with("prompt", "ground_truth")(row) and "answer" not in row,
        named("prompt", "ground_truth"),
    ),
    Layout(
        "TRL",
        "prompt, and solution as the answer",
        lambda row: _with("prompt", "solution")(row) and "answer" not in row,
        named("prompt", "solution"),
    ),
    Layout(
        "queries",
        "question, and query or SQL as the answer, on schema, database or db_id/db_id.sqlite",
        _asks_for_a_query,
        _query,
        "sql",
    ),
    Layout(
        "GSM8K",
        "question, and what stands after #### in answer",
        lambda row: _with("question", "answer")(row) and "####" in str(row["answer"]),
        _gsm8k,
    ),
    Layout(
        "MATH",
        "problem, and answer, or what solution has in its last box",
        lambda row: "problem" in row and ("answer" in row or "solution" in row),
        _math,
    ),
    Layout(
        "multiple choice",
        "question with its choices, and the letter of the right one",
        _has_choices,
        _choice,
        "choice-match",
    ),
    Layout(
        "questions",
        "question, and answer",
        lambda row: "question" in row and "answer" in row,
        named("question", "answer"),
    ),
    Layout(
        "chats",
        "messages, the last of which is the answer",
        lambda row: is_chat(row.get("messages")),
        _chat,
    ),
    Layout(
        "Alpaca",
        "instruction and input, and output as the answer",
        _with("instruction", "output"),
        _alpaca,
    ),
)
"""In the order in which a first row is tried."""
