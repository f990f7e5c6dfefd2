"""``guerdon completion``: commands, options and names, completed by the shell.

The shell asks ``guerdon --complete WORD...`` at each tab, so that what is offered is what is
installed. Where nothing is offered the shell completes files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from guerdon.cli.commands import COMMANDS, Command
from guerdon.cli.helping import SHORT_OPTIONS
from guerdon.cli.nested import nested_options
from guerdon.cli.offered import POLICY_CHOICES, PREFERENCE_CHOICES, RANKING_CHOICES
from guerdon.cli.options import UsageError
from guerdon.names import nearest, slugs_in
from guerdon.recipes import all_recipes, named_recipes

SCRIPTS = {
    "bash": """\
# In ~/.bashrc:  eval "$(guerdon completion bash)"
_guerdon() {
    local IFS=$'\\n'
    COMPREPLY=($(guerdon --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _guerdon guerdon
""",
    "zsh": """\
# In ~/.zshrc, below compinit:  eval "$(guerdon completion zsh)"
_guerdon() {
    local -a found
    found=("${(@f)$(guerdon --complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _guerdon guerdon
""",
    "fish": """\
# In ~/.config/fish/config.fish:  guerdon completion fish | source
function __guerdon_words
    set -l before (commandline -opc)
    set -l now (commandline -ct)
    guerdon --complete $before[2..-1] "$now" 2>/dev/null
end
complete -c guerdon -a '(__guerdon_words)'
""",
}


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Print a shell's script."""
    shell = options["shell"]
    if shell not in SCRIPTS:
        meant = nearest(shell, SCRIPTS)
        raise UsageError(f"SHELL is {shell!r:.60}; give {', '.join(SCRIPTS)}{meant}")
    print(SCRIPTS[shell], end="")
    return 0


def completions(words: Sequence[str]) -> list[str]:
    """What can stand in the place of the last of ``words``, which begins with it.

    ``words`` are those after ``guerdon``; the last may be empty.
    """
    *before, begun = words or [""]
    if not before:
        return _beginning([*COMMANDS, "--help", "--version"], begun)
    command = COMMANDS.get(before[0])
    if command is None:
        return []
    if begun.startswith("-"):
        offered = _options(command)
        if command.settings and len(begun) > len("--"):  # else there are more than one can read
            offered += _nested(before[1:])
        return _beginning(offered, begun)
    several, comma, last = begun.rpartition(",")
    return [several + comma + name for name in _beginning(_values(command, before[1:]), last)]


def _beginning(names: Iterable[str], begun: str) -> list[str]:
    return sorted(name for name in {*names} if name.startswith(begun))


def _options(command: Command) -> list[str]:
    own = [one for one in (*command.takes, *command.flags) if one.startswith("--")]
    settings = [f"--{one}" for one in (*POLICY_CHOICES, *SHORT_OPTIONS)] if command.settings else []
    return [*own, *settings, "--help"]


def _nested(before: Sequence[str]) -> list[str]:
    """The settings of the recipe that was chosen, with the parts that were."""
    chosen = {
        option.removeprefix("--"): value
        for option, value in pairwise(before)
        if option.startswith("--") and not value.startswith("-")
    }
    given = {option for option in before if option.startswith("--")}
    implied = next((name for option, name in _IMPLIED.items() if option in given), "grpo")
    choices = {"dpo": PREFERENCE_CHOICES, "reward-model": RANKING_CHOICES}.get(implied, {})
    found = nested_options(chosen.get("recipe", implied), chosen, {**POLICY_CHOICES, **choices})
    return [f"--{option}" for option in found]


_IMPLIED = {
    "--reward-model": "reward-model",
    "--rankings": "reward-model",
    "--pairs": "dpo",
    "--demonstrations": "sft",
}
"""The recipe that an option stands for."""


def _values(command: Command, before: Sequence[str]) -> Iterable[str]:
    """What an option takes, or a word that follows none."""
    option = before[-1] if before and before[-1].startswith("--") else ""
    if option in command.flags:
        option = ""
    tables: dict[str, Iterable[str]] = {
        "--recipe": (*all_recipes(), *named_recipes()),
        "SLUG": slugs_in([str(Path(__file__).parents[1] / "claims")]),
        "REWARD": POLICY_CHOICES["reward"],
        "SHELL": SCRIPTS,
        "ACTION": ("grow",),
    }
    if option:
        place = option.removeprefix("--")
        others = (PREFERENCE_CHOICES, RANKING_CHOICES) if "--pairs" in before else ()
        named = {name for table in (POLICY_CHOICES, *others) for name in table.get(place, ())}
        return tables.get(option, named)
    first = command.takes[0].strip("[]") if command.takes else ""
    return tables.get(first, ()) if not before else ()
