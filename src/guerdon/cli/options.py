"""A command's own options, and the errors of all: what is read before anything heavy is loaded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

from guerdon.ranges import Finite, WholeNumber, check_value, expected


class UsageError(ValueError):
    """The arguments are wrong; the message names which and the mend."""


@contextmanager
def own_output() -> Iterator[None]:
    """Inside, what a user's reward or task source prints goes to stderr: stdout is the command's.

    Not for what has a live display, which prints from a thread of its own.
    """
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def reading_arguments() -> Iterator[None]:
    """Inside, what is wrong is the user's arguments: any ValueError becomes a UsageError."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def whole_number(option: str, value: str, kind: Any = WholeNumber) -> int:
    """``value`` as an int in the range of ``kind``. Raises UsageError naming option and range."""
    return int(_in_range(option, value, int, kind))


def number(option: str, value: str, kind: Any = Finite) -> float:
    """``value`` as a float in the range of ``kind``. Raises UsageError naming option and range."""
    return float(_in_range(option, value, float, kind))


def _in_range(option: str, value: str, read: Callable[[str], float], kind: Any) -> float:
    try:
        found = read(value)
    except ValueError:
        raise UsageError(f"{option} is {value!r:.60}; give {expected(kind)}") from None
    with reading_arguments():
        check_value(option, found, kind)
    return found


def take_options(
    arguments: list[str],
    command: str,
    about: str,
    valued: Sequence[str],
    flags: Sequence[str],
    more: Callable[[], str],
) -> tuple[dict[str, Any], list[str]]:
    """A command's own options; what it does not know is left for the recipe's settings.

    ``valued`` are options and positionals with a value, one in brackets may be left out.

    ``more`` is asked for what follows in the help text.
    """
    parser = _Parser(
        prog=f"guerdon {command}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if {"-h", "--help"} & {*arguments}:
        parser.epilog = more()
    for name in valued:
        if name == "--trust":
            parser.add_argument(
                name, action="append", default=[], metavar="NAME", help=OPTION_HELP[name]
            )
        elif name.startswith("--"):
            parser.add_argument(name, metavar=METAVARS.get(name, "N"), help=OPTION_HELP[name])
        else:
            bare, may = name.strip("[]"), "?" if name.startswith("[") else None
            parser.add_argument(bare.lower(), metavar=bare, nargs=may, help=OPTION_HELP[bare])
    for name in flags:
        parser.add_argument(name, action="store_true", help=OPTION_HELP[name])
    known, rest = parser.parse_known_args(arguments)
    found = vars(known)
    for name, value in found.items():
        if value == "" and name not in ("token", "invalid"):
            option = name.upper() if name.upper() in valued else f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is empty; give a value, or leave it out")
    if "trust" in found:
        found["trust"] = [one for given in found["trust"] for one in _several(given)]
    return found, rest


class _Parser(argparse.ArgumentParser):
    """One whose errors are a sentence, as all others."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.replace("the following arguments are required:", "give"))


def _several(given: str) -> list[str]:
    """What one --trust names: several with commas, unless there is such a file."""
    return [given] if Path(given).exists() or "://" in given else given.split(",")


def none_left(rest: list[str]) -> None:
    """Raises for arguments that no option took."""
    if rest:
        raise UsageError(f"unknown argument {rest[0]!r}")


METAVARS = {
    **dict.fromkeys(("--pairs", "--rankings", "--demonstrations", "--dry-run", "--rows"), "FILE"),
    **dict.fromkeys(("--page", "--token-file"), "FILE"),
    **dict.fromkeys(("--out", "--resume", "--databases"), "FOLDER"),
    **dict.fromkeys(("--trackers", "--allow", "--allow-hosts"), "NAMES"),
    **dict.fromkeys(("--recipe", "--tokenizer", "--judges"), "NAME"),
    "--host": "ADDRESS",
    "--because": "LINE",
    "--token": "TEXT",
    "--tasks": "FILE|NAME",
}
"""What an option's value is called in help; N where it is a number."""

OPTION_HELP = {
    "--recipe": "a recipe's name (guerdon recipes lists them), a recipe file or a run's folder; "
    "default grpo",
    "--out": "the folder to write to (train: default runs/RECIPE; with --settings a FILE.yaml)",
    "--pairs": "train on the preference pairs in this file (DPO, or a --recipe that reads pairs)",
    "--reward-model": "train a reward model on the --pairs, which may be longer rankings too",
    "--rankings": "the same: train a reward model on the pairs or longer rankings in this file",
    "--demonstrations": "fine-tune on the completions in this file: the recipe sft",
    "--resume": "continue the run in this folder from its newest checkpoint",
    "--trackers": "comma-separated: tensorboard, wandb, trackio",
    "--dry-run": "score this file of saved completions with the recipe's reward; no training",
    "--quiet": "no progress display",
    "--tokenizer": "count tokens by this model's tokenizer (a Hub id, a folder or seedling), for "
    "rewards that read lengths",
    "--rows": "write every row's score to this file, an object a line",
    "--cases": "the file holds cases, each with its verdict (docs/graders.md)",
    "--worst": "how many of the lowest, highest and invalid rows are listed (default 5)",
    "--json": "machine-readable output",
    "--trust": "files or modules of yours that the recipe.yaml may run (with commas, or repeated)",
    "--settings": "print the recipe with every setting, as a recipe file, and stop",
    "--host": "the address to listen at (default 127.0.0.1, this machine only)",
    "--port": "the port to listen at (default 5000; 0 takes a free one)",
    "--token": "what clients must send as a bearer token (GUERDON_SERVER_TOKEN, --token-file)",
    "--max-batch": "the most completions a request may hold (default 4096)",
    "--max-body": "the most MiB a request may hold (default 32)",
    "--timeout": "how many seconds a request may take (default 120)",
    "--token-file": "a file that holds the token; it is not seen among the processes",
    "--allow-hosts": "comma-separated further names of this server, as a proxy sends them in Host",
    "--workers": "how many processes answer, each with its own reward (default 1)",
    "--max-waiting": "the most requests that are judged or wait for it, a process (default 1024)",
    "--max-connections": "the most open connections a process (default 1000)",
    "--max-client-connections": "the most of one address, if not this machine's (default 256)",
    "--header-timeout": "how many seconds a request's header may take (default 10)",
    "--body-timeout": "how many seconds its body may take (default 60)",
    "--idle-timeout": "how many seconds a connection may lie idle (default 30)",
    "--answer-timeout": "how many seconds a client may take to read its answer (default 60)",
    "--invalid": "what OpenRLHF is sent for a completion that can't be graded (default 0)",
    "--count": "how many (sample: completions, default 4; audit: tasks, default 6)",
    "--tasks": "a file, a datasets folder or one of our task sources to make attacks from",
    "--databases": "a folder whose databases the tasks may name (column database)",
    "--judges": "what the reward looks at: answer (default), form, style, or files (of "
    "tasks that name a folder)",
    "--seconds": "longest time for one completion (default 10)",
    "--memory": "most MiB that the process which judges may take (default 4096; Linux only)",
    "--allow": "comma-separated attacks whose findings are accepted",
    "--page": "write the findings to this HTML file",
    "REWARD": "one of ours by name, FILE:FUNCTION or module:name",
    "FILE": "JSON, CSV or Parquet of saved completions",
    "PROCESS": "a world of Gymnasium with a table, or a file of transitions [S, A, S]",
    "--discount": "of the process, in [0, 1); default 0.95",
    "SLUG": "the system, e.g. gigpo",
    "--all": "run again what is of other code than today's, one after the other; begun again, it "
    "goes on where it was",
    "--stale": "list the results that are of other code than today's; nothing runs",
    "--record": "run on fresh seeds and write the system's next version (--out: not into "
    "reproductions/)",
    "--because": "why the version is run, in a line; from the second on",
    "--pilot": "run on seeds from 1000 on, which no result uses; written elsewhere",
    "RUN": "a run's folder",
    "SHELL": "bash, zsh or fish",
    "ACTION": "grow",
    "--seed": "of the seedling (default 0, the one that ships)",
}
