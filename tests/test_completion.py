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
from guerdon.cli.laying import options_of
from guerdon.cli.nested import nested_options
from guerdon.cli.offered import choices_of
from guerdon.recipes import all_recipes, build_recipe, named_recipes

Captured = pytest.CaptureFixture[str]


CLIPS = ["--objective.clip-high", "--objective.clip-low"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["tr"], ["train"]),
        (["--v"], ["--version"]),
        (["train", "--rec"], ["--recipe"]),
        (["train", "--objective.k"], ["--objective.kl", "--objective.kl.estimator"]),
        (["train", "--loop.st"], ["--loop.steps"]),
        (["train", "--objective", "gspo", "--objective.c"], CLIPS),
        (["train", "--recipe", "ppo", "--advantage.l"], ["--advantage.lam"]),
        (["evaluate", "--recipe", "dapo", "--shaping.0.l"], ["--shaping.0.limit"]),
        (["train", "--pairs", "x", "--objective.b"], ["--objective.beta"]),
        (["train", "--model", "network", "--model.w"], ["--model.width"]),
        (["train", "--recipe", "starc", "--disc"], ["--discount"]),
        (["train", "--recipe", "mine.yaml", "--loop.st"], []),
        (["recipes", "--loop.st"], []),
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


NEEDS = {
    "dpo": {"pairs": "x"},
    "reward-model": {"pairs": "x"},
    "sft": {"demonstrations": "x"},
}


@pytest.mark.parametrize("name", [*all_recipes(), *named_recipes()])
def test_what_is_offered_of_a_recipe_is_there(name: str) -> None:
    """Source is read, not run: what it does not tell is left out, and nothing made up."""
    recipe = build_recipe(name, **NEEDS.get(name, {}))
    real = options_of(recipe)
    steps = [one.split(".") for one in real]
    places = {".".join(one[:count]) for one in steps for count in range(1, len(one))}
    offered = set(nested_options(name, {}, choices_of(recipe)))
    assert offered <= {*real, *places}
    assert len(offered & {*real}) >= 0.6 * len(real)


ASKED = {
    ("train", "--recipe", "rei"): ["reinforce++"],
    ("train", "--loop.ste"): ["--loop.steps"],
    ("tra",): ["train"],
}

ASKING = {
    "bash": """eval "$(guerdon completion bash)"
COMP_WORDS=(guerdon "$@"); COMP_CWORD=$#
_guerdon; printf '%s\\n' "${COMPREPLY[@]}"
""",
    # The two that only a line editor has stand aside for what is found.
    "zsh": """compdef() { :; }; _files() { :; }; compadd() { print -l -- "${(@P)2}"; }
eval "$(guerdon completion zsh)"
words=(guerdon "$@"); CURRENT=$#words
_guerdon
""",
    "fish": """guerdon completion fish | source
complete -C "guerdon $argv"
""",
}


@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
@pytest.mark.parametrize("shell", ASKING)
def test_a_shell_asks_and_is_answered(shell: str, asked: tuple[str, ...], tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    program, script = tmp_path / "guerdon", tmp_path / "ask"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m guerdon.cli "$@"\n')
    program.chmod(0o755)
    script.write_text(ASKING[shell])
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *plain, str(script), *asked],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ASKED[asked]
