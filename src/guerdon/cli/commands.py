"""The commands: what each takes, and the module that is imported when it runs.

What help and completion need is here; nothing heavy is imported for them. Command ``score`` is
``run(options, rest)`` of ``guerdon.cli.score``, called once its own options are read.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from guerdon.cli.helping import overrides, preferences
from guerdon.cli.options import UsageError, none_left, take_options
from guerdon.names import nearest
from guerdon.parsing.visible import visible


@dataclass(frozen=True)
class Command:
    """One command: a line for the list of commands, and what it takes.

    ``takes`` are positionals (in capitals; in brackets one that may be left out) and options with a
    value, ``flags`` options without.
    With ``settings`` those of a recipe follow them; with ``more`` the module reads further words
    itself, and ``more`` explains these. With ``run`` a first word that is no option is the folder
    of a run, whose recipe and model are meant.
    """

    about: str
    explains: str
    takes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    settings: bool = False
    more: str = ""
    run: bool = False


_SERVING = (
    *("--recipe", "--trust", "--host", "--port", "--token", "--token-file", "--allow-hosts"),
    *("--max-waiting", "--max-connections", "--max-client-connections", "--workers"),
    *("--max-batch", "--max-body", "--timeout", "--invalid", "--header-timeout"),
    *("--body-timeout", "--idle-timeout", "--answer-timeout"),
)

_REPRODUCING = """\
Run a paper's claim in miniature. The seeds of its newest version in reproductions/ run again,
and it is said which figures are the same; exit status 0 if all are. What comes of it is written
elsewhere: no version is ever overwritten.
"""
_RECORDING = """\
  --seeds N        so many seeds, or --seeds 0 1 2 for these (default: all of the version's, or
                   as many as the claim asks for)

--record runs on seeds that neither the claim's pilot nor an earlier version used (the first from
100 times the version's number on), in a clone whose package is as its commit has it. From the
second version on --because says why it is run. From the third on the notes, which are
reproductions/SLUG/notes.md, say so too, under its name (v3), committed before it runs. Exit
status 0 with --record and --pilot says that the claim is shown, with --all that all of them ran.
"""

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "train": Command(
            "train a model by a recipe (no arguments: the seedling, by GRPO)",
            "Train a model by a recipe.",
            (
                *("--recipe", "--out", "--resume", "--pairs", "--rankings", "--demonstrations"),
                *("--trackers", "--dry-run", "--trust"),
            ),
            ("--reward-model", "--quiet", "--json", "--settings"),
            settings=True,
        ),
        "sample": Command(
            "print completions of a model",
            "Print completions of a model for a recipe's held-out tasks: guerdon sample RUN asks "
            "the model that the run in the folder RUN has trained.",
            ("--recipe", "--count", "--trust"),
            ("--json",),
            settings=True,
            run=True,
        ),
        "evaluate": Command(
            "held-out result of a model, with its interval",
            "Grade a model on a recipe's held-out tasks: guerdon evaluate RUN grades the model "
            "that the run in the folder RUN has trained.",
            ("--recipe", "--trust"),
            ("--json",),
            settings=True,
            run=True,
        ),
        "score": Command(
            "score saved completions with a reward",
            "Score saved completions: JSON, CSV or Parquet with prompt, completion, answer. "
            "With --cases FILE holds completions with known verdicts: try the reward on them.",
            ("FILE", "--recipe", "--tokenizer", "--rows", "--worst", "--trust"),
            ("--cases", "--json"),
            settings=True,
        ),
        "serve": Command(
            "a reward over HTTP, for any trainer",
            "Answer reward requests over HTTP: POST /score and /get_reward (OpenRLHF); GET "
            "/health, /info, /metrics and /openapi.json. docs/serving.md has limits, tokens and "
            "proxies.",
            _SERVING,
            settings=True,
        ),
        "audit": Command(
            "attack a reward before a run is wasted on it",
            "Attack a reward: exit status 0 if nothing is found, 1 if something is.",
            (
                *("REWARD", "--tasks", "--databases", "--count", "--judges", "--seconds"),
                *("--memory", "--allow", "--page"),
            ),
            ("--json", "--quiet"),
            more="Columns wrong_answers and right_answers (lists) of the tasks are tried as well. "
            "Where a column names a\nfolder (repository, workdir, any path), the reward is tried "
            "on copies of it, with completions that delete\ntests, read expected output and the "
            "like, written as the reference solution is (answer, patch, solution).",
        ),
        "reproduce": Command(
            "run a paper's claim in miniature and say whether it shows",
            _REPRODUCING,
            ("[SLUG]", "--because", "--out"),
            ("--record", "--pilot", "--stale", "--all", "--json", "--quiet"),
            more=_RECORDING,
        ),
        "recipes": Command(
            "the systems and what works of each, and other recipes by name",
            "The systems and what works of each, and compositions by the names that people use.",
            flags=("--json",),
        ),
        "compare-rewards": Command(
            "how far rewards of one process are apart",
            "Distances between rewards of one process, under every canonicalisation and norm.",
            ("PROCESS", "--discount", "--out"),
            ("--json",),
            more="  PROCESS is a world of Gymnasium with a table (FrozenLake-v1) or a file of "
            "transitions;\n  the files after it (.npz, .npy, .json, .csv) are its rewards, the "
            "first the one that\n  counts unless the process has its own",
        ),
        "rewards": Command(
            "the rewards by name, a line each",
            "The rewards by name, a line each.",
            flags=("--json",),
        ),
        "nursery": Command(
            "grow a further seedling, for claims on more than one model",
            "Grow the small model that ships with guerdon from another seed: other weights to "
            "begin with,\nother tasks, another order. It is kept in $XDG_CACHE_HOME/guerdon or "
            "~/.cache/guerdon, and is a\nmodel by name: --model seedling-1.",
            ("ACTION", "--seed", "--out"),
            ("--json", "--quiet"),
        ),
        "report": Command(
            "write a run's picture and page again",
            "Write a run's curves.png and report.html again.",
            ("RUN",),
            ("--json",),
        ),
        "completion": Command(
            "let your shell complete commands, options and names",
            "Print what makes a shell complete commands, options and names: bash, zsh or fish. "
            "The first line of what is printed says where it belongs.",
            ("SHELL",),
        ),
        "doctor": Command(
            "what is installed here, which devices work, how fast they are",
            "What is installed, which devices work, how fast.",
            flags=("--json",),
        ),
    }
)

_LIST = "\n".join(f"  guerdon {name:<15} {command.about}" for name, command in COMMANDS.items())
HELP = f"""guerdon: reward-driven post-training.

{_LIST}

guerdon COMMAND --help explains a command. Exit status: 0 done, 1 failed, not shown or
(audit) something found, 2 wrong arguments, 130 interrupted, 143 ended
by SIGTERM (a training run then ends whole and can be resumed)."""


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0
    name, *given = arguments
    if name == "--version":
        from guerdon import __version__

        print(__version__)
        return 0
    if name == "--complete":  # what a shell asks, see guerdon.cli.completion
        from guerdon.cli.completion import completions

        print("\n".join(completions(given)))
        return 0
    if name not in COMMANDS:
        meant = nearest(name, COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        told = f"there is no command {name!r}{meant} (guerdon --help tells what they do)"
        print(f"guerdon: {visible(told)}", file=sys.stderr)
        return 2
    try:
        options, rest = read_options(name, given)
        module = importlib.import_module(f"guerdon.cli.{name.replace('-', '_')}")
        return int(module.run(options, rest))
    except SystemExit:  # help was asked for, and nothing is imported for it
        raise
    except UsageError as error:
        print(f"guerdon {name}: {visible(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        lost = f" ({error})" if str(error) else ""
        print(f"guerdon {name}: interrupted{lost}", file=sys.stderr)
        return int(getattr(error, "status", 130))
    except _failures() as error:
        print(f"guerdon {name}: {visible(error)}", file=sys.stderr)
        return 1


def read_options(name: str, given: list[str]) -> tuple[dict[str, Any], list[str]]:
    """A command's own options, and what is left for the recipe's settings.

    Prints help and leaves with SystemExit where that is asked for. Raises UsageError.
    """
    command = COMMANDS[name]

    def epilog() -> str:
        pairs = f"\n\n{preferences()}" if "--pairs" in command.takes else ""
        return overrides() + pairs if command.settings else command.more

    takes, named = list(command.takes), ""
    if command.run and given and not given[0].startswith("-"):
        named, *given = given
    options, rest = take_options(given, name, command.explains, takes, command.flags, epilog)
    options |= {"run": named} if command.run else {}
    if not command.settings and not command.more:
        none_left(rest)
    return options, rest


def _failures() -> tuple[type[BaseException], ...]:
    """What a command may raise for its user to read in a sentence; asked for when it has."""
    from guerdon.rollout.endpoint import EndpointError
    from guerdon.training.stopping import TrainingStopped

    return ValueError, OSError, ImportError, TrainingStopped, EndpointError
