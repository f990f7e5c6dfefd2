"""What models and data say is shown on the terminal and never obeyed by it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from guerdon import cli
from guerdon.cli import showing
from guerdon.parsing.visible import visible
from guerdon.training.display import Display

HOSTILE = "[red]a[/] [/] [link=http://x]b :smile: "
HOSTILE += "\x1b]0;title\x07\x1b[2J\x1b[31m\x9b31m\u202e\u2028\r\ud800"
SHOWN = "[red]a[/] [/] [link=http://x]b :smile: ⟨U+001B⟩]0;title⟨U+0007⟩⟨U+001B⟩[2J"
"""What is left to be seen of its beginning."""


def test_what_a_terminal_obeys_is_shown_as_its_number() -> None:
    assert visible(HOSTILE).startswith(SHOWN)
    assert visible("a\tb\nc ünïcode 模型 😀") == "a\tb\nc ünïcode 模型 😀"
    assert visible("\u202e\u2028\x00\x7f\ud800") == "⟨U+202E⟩⟨U+2028⟩⟨U+0000⟩⟨U+007F⟩⟨U+D800⟩"
    assert visible("👩\u200d🚀 می\u200cخواهم") == "👩\u200d🚀 می\u200cخواهم"
    assert visible(ValueError("x\x1b")) == "x⟨U+001B⟩"


@given(st.text())
def test_what_is_visible_can_be_printed_and_holds_no_escape(text: str) -> None:
    shown = visible(text)
    assert not set(shown) & {chr(c) for c in (*range(9), *range(11, 32), *range(127, 160))}
    shown.encode()
    assert visible(shown) == shown


def test_samples_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"id": f"{n}{HOSTILE[:-1]}", "prompt": HOSTILE[:-1], "answer": "x", "split": "test"}
        for n in range(2)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["sample", "--tasks", str(file), "--sampling.max-tokens", "2"]) == 0
    out = capsys.readouterr().out
    assert "[red]a[/]" in out
    assert ":smile:" in out
    assert "⟨U+001B⟩]0;title" in out
    assert not set(out) & set("\x1b\x07\x9b\u202e\r")


def test_scores_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"id": f"[/]\x1b[31m{n}", "prompt": "p", "completion": HOSTILE[:-1]} for n in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reward = tmp_path / "mine.py"
    reward.write_text(
        "def f(completion, task_id):\n"
        "    if task_id.endswith('2'):\n"
        "        raise ValueError(completion)\n"
        "    return {completion[:30]: 1.0, '[/]': 0.5}\n"
    )
    cli.main(["score", str(file), "--reward", f"{reward}:f"])
    out = capsys.readouterr().out
    assert "[/]" in out
    assert not set(out) & set("\x1b\x07\x9b\u202e\r")


def test_a_hostile_table_keeps_its_marks(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    console.print(showing.shown("[bold]x[/bold] [/]\x1b[31m"))
    assert "[bold]x[/bold] [/]⟨U+001B⟩[31m" in console.file.getvalue()  # type: ignore[attr-defined]


def test_notes_of_a_run_are_shown_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=200)
    with Display(1, console=console) as display:
        display.note(HOSTILE)
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert SHOWN in out
    assert "\x1b" not in out


def test_errors_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    row = {"prompt": "p", "completion": "c", "answer": 1, "split": "\x1b[31m[/]"}
    file.write_text(json.dumps({"prompt": "p", "\x1b[2J": 1}) + "\n" + json.dumps(row))
    assert cli.main(["score", str(file)]) == 1
    err = capsys.readouterr().err
    assert "⟨U+001B⟩[2J" in err
    assert "\x1b" not in err
    assert cli.main(["score", str(file), "--recipe", "\x1b[31m"]) == 2
    assert "\x1b" not in capsys.readouterr().err
