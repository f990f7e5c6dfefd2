"""What a shell is offered at a tab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from guerdon.cli import main
from guerdon.cli.commands import COMMANDS
from guerdon.cli.completion import SCRIPTS, completions
from guerdon.recipes import all_recipes, named_recipes

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["tr"], ["train"]),
        (["--v"], ["--version"]),
        (["train", "--rec"], ["--recipe"]),
        (["train", "--objective.k"], ["--objective.kl.estimator"]),
        (["train", "--quiet", "--st"], ["--steps"]),
        (["train", "--recipe", "dr"], ["dr-grpo"]),
        (["train", "--objective", "gs"], ["gspo"]),
        (["train", "--pairs", "x", "--objective", "ip"], ["ipo"]),
        (["train", "--shaping", "overlong,kl"], ["overlong,kl-penalty"]),
        (["train", "--reward", "reward-"], ["reward-model"]),
        (["reproduce", "gi"], ["gigpo"]),
        (["reproduce", "gigpo", "g"], []),
        (["audit", "date"], ["date-match"]),
        (["audit", "--json", "--j"], ["--json", "--judges"]),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["score", ""], []),  # files, by the shell
        (["train", "--out", ""], []),
        (["nothing", ""], []),
    ],
)
def test_what_is_offered(words: list[str], offered: list[str]) -> None:
    assert completions(words) == offered


def test_all_are_offered_where_nothing_is_begun() -> None:
    assert completions([]) == completions([""]) == sorted([*COMMANDS, "--help", "--version"])
    assert completions(["sample", "--recipe", ""]) == sorted([*all_recipes(), *named_recipes()])


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_takes_its_script(shell: str, capsys: Captured) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "guerdon --complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_an_unknown_shell_is_2(capsys: Captured) -> None:
    assert main(["completion", "bahs"]) == 2
    assert "did you mean 'bash'?" in capsys.readouterr().err
    assert main(["completion"]) == 2
    assert "give shell" in capsys.readouterr().err.lower()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_asks_and_is_answered(tmp_path: Path) -> None:
    program = tmp_path / "guerdon"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m guerdon.cli "$@"\n')
    program.chmod(0o755)
    asks = (
        'eval "$(guerdon completion bash)"; COMP_WORDS=(guerdon train --recipe rei); COMP_CWORD=3;'
    )
    done = subprocess.run(
        ["bash", "-c", f'{asks} _guerdon; echo "${{COMPREPLY[@]}}"'],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["reinforce++"]
