"""What a recipe's file may name: the parts of this package, and what its reader trusts by name.

To import a module is to run it, so names are judged as text first, all of a file's together; only
then is anything imported.
"""

from __future__ import annotations

import re
import shlex
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit


class PartError(ValueError):
    """A part can't be described or rebuilt; the message names the place and the mend."""


PACKAGES = frozenset(
    {
        "advantages",
        "claims",
        "connectors",
        "curriculum",
        "diffusion",
        "monitors",
        "nursery",
        "objectives",
        "recipes",
        "reward_models",
        "rewards",
        "selection",
    }
    | {"rollout", "schedules", "shaping", "stages", "tasks", "training"}
)
"""Where a file may take dataclasses from: they hold settings, and making one runs its checks."""

FUNCTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        f"guerdon.{module}": frozenset(names.split())
        for module, names in {
            "claims.clip_delta": "to_the_end",
            "claims.fine_grained_rlhf": "above_mean above_zero whole_sum",
            "claims.gigpo": "step_only",
            "claims.reasoning_sql": "words_in_common",
            "claims.shop_r1": "exact",
            "curriculum.peer_review": "by_both by_itself by_peer",
            "curriculum.selection": "at_random easy hard medium",
            "objectives.kl": "k1 k2 k3 k3_corrected k3_straight_through",
            "parsing.choices": "choice_letters chosen_letters separated_choice_letters",
            "parsing.sections": "answer_text",
            "recipes.clip_delta": "checked",
            "recipes.fine_grained_rlhf": "new_steps right_sums",
            "recipes.timemaster": "names_the_number",
            "rewards.actions.boxes": "box_giou box_iou interval_iou",
            "rewards.answers.charts": "edit_similarity linear_credit within_five_per_cent",
            "rewards.answers.choice": "gated jaccard none_wrong right_in_form summed",
            "rewards.answers.extension": "bare_rating",
            "rewards.answers.free_text": "exact_match same_words short_answer token_f1 words_f1",
            "rewards.models.likelihood": "arithmetic_mean divergence_from_uniform "
            "divergence_per_word entropy "
            "geometric_mean joint self_certainty up_to_answer whole",
            "rewards.answers.lists": "right_places same_list same_set set_f1",
            "rewards.text.overlap": "add_one_bleu bleu_rouge harmonic_mean rouge_l sacrebleu_bleu",
            "rewards.text.repetition": "characters words",
            "rewards.answers.roles": "each_role majority",
            "rewards.text.similarity": "chrf edit_similarity meteor",
            "rewards.models.spans": "as_scored decrements deltas line_ends sentence_ends word_ends",
            "rewards.programs.sql_answers": "same_list same_multiset same_set",
            "rewards.actions.tool_calls": "all_or_nothing exact_names_credit jaccard "
            "partial_credit released_all_or_nothing whole_call_credit",
            "rewards.actions.tools": "smooth two_stage",
            "rewards.actions.web_action": "rouge_l_f1",
            "shaping.penalties": "log_ratio",
            "tasks.facts": "facts_right",
        }.items()
    }
)
"""The functions that a file may name. A new one is added here: it must do nothing but compute."""

MOVED: Mapping[str, str] = MappingProxyType(
    {
        f"guerdon.rewards.{name}": f"guerdon.{room}.{name}"
        for room, names in {
            "rewards.answers": "answer charts choice dates_units equality extension free_text "
            "lists roles symbolic",
            "rewards.text": "format language length overlap references repetition similarity",
            "rewards.actions": "boxes environment grounding mobile_step strict_json tool_calls "
            "tools web_action",
            "rewards.programs": "code code_cases code_forms code_functions code_pure code_split "
            "code_values reasoning_gym sql sql_databases sql_duckdb sql_engines sql_sqlite "
            "sql_text text_as_code",
            "rewards.models": "above_reference likelihood scored spans",
            "rewards.running": "cache cache_file function rows waiting workers",
            "rewards.composing": "compose levels routing",
        }.items()
        for name in names.split()
    }
)
"""Modules by the names that older recipe files have for them."""

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        f"guerdon.{old}:Recipe": "guerdon.training.recipe:PolicyRecipe"
        for old in ("training", "training.recipe")
    }
    | {"guerdon.training.recipe:Model": "guerdon.rollout.sources:Model"}
    | {
        f"guerdon.recipes.{module}:{name}": f"guerdon.claims.{module}:{name}"
        for module, names in {
            "fine_grained_rlhf": "above_zero whole_sum",
            "gigpo": "UniqueStates step_only",
            "reasoning_sql": "Questions words_in_common",
            "shop_r1": "exact",
        }.items()
        for name in names.split()
    }
    | {
        f"guerdon.{old}:PreferenceFile": "guerdon.tasks.files:RankingFile"
        for old in ("tasks", "tasks.files")
    }
    | {
        f"guerdon.{old}:Linear": "guerdon.shaping.curves:Proportional"
        for old in ("shaping", "shaping.curves")
    }
    | {
        f"guerdon.rewards.{old}:{name}": f"guerdon.rewards.models.policies:{name}"
        for old in ("likelihood", "models.likelihood")
        for name in ("PolicyConfidence", "PolicyEntropy")
    }
    | {
        f"guerdon.rewards.{old}:{name}": f"guerdon.rewards.programs.sql_answers:{name}"
        for old in ("sql", "programs.sql")
        for name in ("OrderIfAsked", "same_list", "same_multiset", "same_set")
    }
)
"""Parts by the names that older recipe files have for them."""

FOLDERS = frozenset(
    {"Cached.folder", "SqlExecution.databases", "SqlReward.databases", "FileTasks.image_folder"}
    | {"RankingFile.image_folder"}
)
"""Settings that open a folder to be written to, or to be read as the data names files in it."""

OWN_KEY = "OPENAI_API_KEY"
"""The environment variable that an endpoint of a file may read unasked."""

WEAK = "weak-isolation"
"""What is trusted where a file takes a sandbox's isolation off."""

MAX_DEPTH = 64
"""Deepest nesting of a recipe's file."""

_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*+")


def names_in(data: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """Place, "part", "function" or "beyond", and what ``data`` names there. Imports nothing.

    "beyond" is what a part of ours would reach by its settings: see `_reached`.

    Raises PartError for nesting beyond `MAX_DEPTH`, names that are no text and addresses that
    are none.
    """
    pending: list[tuple[Any, str, int]] = [(data, where, 0)]
    while pending:
        value, place, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise PartError(f"{where} is nested deeper than {MAX_DEPTH}")
        if isinstance(value, Mapping):
            kind = "part" if "part" in value else "function"
            if kind in value:
                if not isinstance(value[kind], str):
                    raise PartError(f"{place}.{kind} is {value[kind]!r:.60}, not module:name")
                yield place, kind, value[kind]
            if kind == "part" and isinstance(value.get("part"), str):
                yield from _reached(value, place)
            pending += [(v, f"{place}.{k}", depth + 1) for k, v in value.items() if k != "part"]
        elif isinstance(value, list | tuple):
            pending += [(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value)]


def _reached(part: Mapping[str, Any], place: str) -> Iterator[tuple[str, str, str]]:
    """What lies beyond this machine's part that a reader has lent to a recipe by reading it.

    Addresses of other machines, folders outside the current one, other variables of the
    environment than `OWN_KEY`, and programs run with less isolation. Raises PartError for an
    address that is none.
    """
    url, key = part.get("url"), part.get("key_variable", OWN_KEY)
    if isinstance(url, str):
        if "://" not in url:
            raise PartError(
                f"{place}.url is {url!r:.100}; an address begins with http:// or https://"
            )
        if not _is_here(url):
            yield f"{place}.url", "beyond", url
    if isinstance(key, str) and key not in ("", OWN_KEY):
        yield f"{place}.key_variable", "beyond", f"env:{key}"
    if part.get("trust_weak"):
        yield f"{place}.trust_weak", "beyond", WEAK
    own = RENAMED.get(part["part"], part["part"])
    for setting in FOLDERS:
        kind, _, name = setting.partition(".")
        if own.endswith(f":{kind}") and name in part:
            held = part[name] if isinstance(part[name], list | tuple) else [part[name]]
            for folder in held:
                if folder and isinstance(folder, str) and not _is_below_here(folder):
                    yield f"{place}.{name}", "beyond", _path(folder, place)


def foreign(data: Any, where: str = "recipe") -> dict[str, list[str]]:
    """What ``data`` reaches outside this package, each with its places; imports nothing.

    Files and modules whose code would run, and what parts of ours reach by their settings
    (`_reached`): what ``--trust`` and ``trust=`` take to allow them. Raises PartError as
    `names_in` does.
    """
    found: dict[str, list[str]] = {}
    for place, kind, name in names_in(data, where):
        outside = name if kind == "beyond" else parted(name, place)[0]
        if kind == "beyond" or not _is_ours(outside):
            found.setdefault(outside, []).append(place)
    return dict(sorted(found.items()))


def refuse_untrusted(data: Any, where: str, trust: Sequence[str]) -> None:
    """Raises PartError where ``data`` names what is no part of ours and not in ``trust``.

    ``trust`` holds files (``mine.py``), modules (``mine``, with all below it), addresses, folders,
    ``env:NAME`` and `WEAK`. The message lists everything that is not trusted, and what to add.
    Nothing is imported.
    """
    for place, kind, name in names_in(data, where):
        if kind != "beyond" and _is_ours(parted(name, place)[0]):
            _refuse_other_than_parts(*parted(name, place), kind, place)
    trusted = [_trusted(item) for item in trust]
    strange = {
        outside: places
        for outside, places in foreign(data, where).items()
        if not any(_covers(item, outside) for item in trusted)
    }
    for outside, places in foreign(data, where).items():
        if _MODULE.fullmatch(outside) and outside.partition(".")[0] in sys.stdlib_module_names:
            raise PartError(
                f"{places[0]} names {outside}, of Python's own library, which holds no parts; "
                "a recipe that does so was made to do harm: remove it"
            )
    if strange:
        raise PartError(
            f"{where} reaches beyond guerdon: it {told(strange)}. If you trust that, add "
            f"{trust_options(strange)}"
        )


def told(outside: Mapping[str, Sequence[str]]) -> str:
    """What `foreign` found, for people."""
    return ", ".join(f"{_does(one)} (as {', '.join(places)})" for one, places in outside.items())


def _does(outside: str) -> str:
    if outside == WEAK:
        return "runs programs with less isolation"
    if outside.startswith("env:"):
        return f"sends what the variable {outside.removeprefix('env:')} holds"
    if "://" in outside:
        return f"sends to {outside}"
    if outside.endswith(".py") or _MODULE.fullmatch(outside):
        return f"runs {outside}"
    return f"uses the folder {outside}"


def trust_options(outside: Iterable[str]) -> str:
    """The options of a command that allow these, as a shell takes them."""
    return " ".join(f"--trust {shlex.quote(one)}" for one in outside)


def refuse_elsewhere(found: Any, module: types.ModuleType, inside: str, where: str) -> None:
    """Raises PartError where ``found`` was only imported by the module that it was found in.

    A trusted file imports others, such as ``os``; they are not trusted by that. Ready objects
    of the file itself, which have no name of their own, are its own where they are dataclasses.
    A part of ours may be named where it is exported too.
    """
    if not isinstance(found, type | types.FunctionType):
        own = is_dataclass(found) and "." not in inside and not _is_ours(module.__name__)
    elif _is_ours(module.__name__) and isinstance(found, type) and _is_ours(found.__module__):
        _refuse_other_than_parts(found.__module__, found.__qualname__, "part", where)
        own = True
    else:
        own = (found.__module__, found.__qualname__) == (module.__name__, inside)
    if not own:
        raise PartError(
            f"{where}: {inside} is no class, function or part that {module.__name__} defines "
            "itself; name it where it is defined"
        )


def parted(name: str, where: str) -> tuple[str, str]:
    """Module or whole file path, and the name in it. Raises PartError."""
    module, _, inside = name.rpartition(":")
    if not module or not _MODULE.fullmatch(inside):
        raise PartError(f"{where}: {name!r:.200} should read module:name or file.py:name")
    module, _, inside = RENAMED.get(name, name).rpartition(":")
    return MOVED.get(module) or _module_or_file(module, where), inside


def _trusted(item: str) -> str:
    if "://" in item or item.startswith("env:") or item == WEAK:
        return item
    return _path(item, "trust") if "/" in item else _module_or_file(item, "trust")


def _path(text: str, where: str) -> str:
    try:
        return str(Path(text).expanduser().resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise PartError(f"{where}: {text!r:.200} is no file's name ({error})") from error


def _module_or_file(text: str, where: str) -> str:
    if text.endswith(".py"):
        return _path(text, where)
    if not _MODULE.fullmatch(text):
        raise PartError(f"{where}: {text!r:.200} is neither a module's name nor a .py file")
    return text


def _covers(item: str, outside: str) -> bool:
    """Whether trust in ``item`` is trust in ``outside``: a module brings those below it."""
    below = _MODULE.fullmatch(item) is not None and outside.startswith(f"{item}.")
    inside = item.startswith("/") and not outside.endswith(".py")
    inside = inside and outside.startswith(f"{item.rstrip('/')}/")
    return outside == item or below or inside


def _is_here(url: str) -> bool:
    """Whether an address is on this machine; one that can't be read is not."""
    try:
        return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        return False


def _is_below_here(folder: str) -> bool:
    return Path(_path(folder, "recipe")).is_relative_to(Path.cwd().resolve())


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "guerdon"


def _refuse_other_than_parts(module: str, inside: str, kind: str, where: str) -> None:
    """By name alone: an inner name, a private one, another package, a function not listed."""
    if kind == "function":
        fits = inside in FUNCTIONS.get(module, frozenset())
    else:
        steps = module.split(".")
        fits = len(steps) > 1 and steps[1] in PACKAGES and "." not in inside
        fits = fits and not any(step.startswith("_") for step in (*steps, inside))
    if not fits:
        raise PartError(
            f"{where}: {module}:{inside} is no {kind} that a recipe's file may name; it may name "
            "guerdon's own parts, and with --trust a file or module of yours"
        )
