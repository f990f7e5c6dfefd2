"""A user's own file: whatever is wrong with it is one sentence, with its line, and no list."""

from __future__ import annotations

from pathlib import Path

import pytest

from guerdon import cli
from guerdon.cli.part_names import part_of
from guerdon.parts import PartError, locate

CASES = {
    "syntax": ("x = 1\ndef f(:\n", r"mine\.py, line 2 can't be run: SyntaxError: .*: def f\(:"),
    "indent": (
        "def f():\nreturn 1\n",
        r"mine\.py, line 2 can't be run: SyntaxError|IndentationError",
    ),
    "null": ("x = 1\0\n", r"mine\.py.* can't be run"),
    "encoding": ("# -*- coding: nonsense -*-\n", r"mine\.py.* can't be run: SyntaxError"),
    "raises": (
        "def g():\n    raise KeyError('a\\nb')\n\ng()\n",
        r"mine\.py, line 2 can't be run: KeyEr",
    ),
    "missing": ("import no_such_package\n", r"mine\.py, line 1 can't be run: ModuleNotFoundError"),
    "exits": ("import sys\nsys.exit(3)\n", r"mine\.py ends the program when it is imported"),
    "exit": ("raise SystemExit\n", r"mine\.py ends the program when it is imported"),
    "deep": ("def g():\n    g()\ng()\n", r"mine\.py, line \d can't be run: RecursionError"),
    "nothing": ("def other(): ...\n", r"mine\.py has no 'f'; it has other"),
    "empty": ("", r"mine\.py has no 'f'$"),
    "number": ("f = 3\n", r":f is 3; name a function"),
    "class": ("class f: ...\n", r"f is a class whose objects can't be called; give it __call__"),
    "settings": ("class f:\n    def __init__(self, k): ...\n", r"class that needs settings .*'k'"),
    "making": ("class f:\n    def __init__(self): 1 / 0\n", r"class that can't be made .*division"),
    "module": ("import os as f\n", r"name a function"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_with_a_users_file_is_one_sentence(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = CASES[case]
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=told) as caught:
        part_of("reward", f"{file}:f")
    assert "\n" not in str(caught.value)
    assert "answer-match" not in str(caught.value)
    assert cli.main(["train", "--reward", f"{file}:f"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "answer-match" not in err


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--reward: there is no file .*none\.py$"):
        part_of("reward", f"{tmp_path}/none.py:f")


def test_a_module_that_fails_names_its_own_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_module_a.py").write_text("import json\njson.loads('{')\n")
    with pytest.raises(PartError, match=r"own_module_a\.py, line 2 can't be run: JSONDecodeError"):
        locate("own_module_a:f")
    (tmp_path / "own_module_b.py").write_text("raise SystemExit(2)\n")
    with pytest.raises(PartError, match="own_module_b ends the program"):
        locate("own_module_b:f")


def test_a_misspelt_name_of_ours_is_told_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"'anser-match' is none of ours; did you mean 'answer-match'"
    ):
        part_of("reward", "anser-match")
    with pytest.raises(ValueError, match=r"'lenght:3' is none of ours; did you mean 'length'"):
        part_of("reward", "lenght:3")
