"""One setting of a recipe by its place: found, read from words by its declared type, laid over."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from guerdon.cli.options import UsageError
from guerdon.names import nearest
from guerdon.ranges import expected, settings_of
from guerdon.schedules import named

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


Reader = Callable[[Any, Any], Any]
"""(what stands there, its declared type) -> what is to stand there."""


def lay(recipe: Any, option: str, words: Sequence[str], known: Sequence[str] = ()) -> Any:
    """``recipe`` with the setting that ``option`` (``loop.steps``) names read from ``words``.

    A whole-or-not setting needs no word, and is taken off by ``no-`` before its own name.
    Raises UsageError for an option that there is not (with the nearest, among ``known`` too) and
    for words that are not what the setting's type says. Ranges are not checked here.
    """
    found = _without_no(recipe, option)
    try:
        if found != option and not words:
            return put(recipe, found, lambda held, hint: False)
        return put(recipe, option, lambda held, hint: _read(option, words, hint, held))
    except LookupError:
        meant = _meant(option, [*options_of(recipe), *known])
        raise UsageError(f"there is no option --{option}{meant} (--settings lists all)") from None


def put(whole: Any, place: str, read: Reader) -> Any:
    """``whole`` with what ``read`` gives at ``place`` (``loop.steps``, ``shaping.0.limit``).

    Raises LookupError where there is no such place.
    """
    return _put(whole, place.split("."), read, Any)


def options_of(recipe: Any) -> list[str]:
    """Every option of a recipe's settings, such as ``loop.steps`` and ``shaping.0.limit``."""
    return [option for option, _ in _leaves(recipe)]


def _leaves(part: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    inside: Mapping[str, Any] = {}
    if is_dataclass(part) and not isinstance(part, type):
        inside = {name.replace("_", "-"): getattr(part, name) for name in _settable(part)}
    elif isinstance(part, tuple) and any(map(is_dataclass, part)):
        inside = {str(i): one for i, one in enumerate(part)}
    elif isinstance(part, Mapping):
        inside = part
    if not inside:
        yield before, part
    for name, held in inside.items():
        yield from _leaves(held, f"{before}.{name}" if before else str(name))


def _meant(option: str, known: Sequence[str]) -> str:
    """The nearest options: those that end in the same name, else those spelled alike."""
    last = option.rpartition(".")[2]
    ends = [one for one in known if one.rpartition(".")[2] == last]
    found = [f"--{one}" for one in ends[:3]]
    return f"; did you mean {' or '.join(found)}?" if found else nearest(option, known, "--{}")


def _without_no(recipe: Any, option: str) -> str:
    """The option that ``no-`` takes off, such as ``model.value-head``; else the option itself."""
    before, dot, last = option.rpartition(".")
    off = f"{before}{dot}{last.removeprefix('no-')}"
    flags = {one for one, held in _leaves(recipe) if isinstance(held, bool)}
    return off if off in flags else option


def _put(part: Any, steps: Sequence[str], read: Reader, hint: Any) -> Any:
    if not steps:
        return read(part, hint)
    first, *rest = steps
    if isinstance(part, tuple):
        index = int(first) if first.isdecimal() else len(part)
        new = _put(part[index], rest, read, Any)
        return (*part[:index], new, *part[index + 1 :])
    if isinstance(part, Mapping):
        inside = next(iter(get_args(_bare(hint))[1:]), Any)
        if rest and first not in part:
            raise LookupError(first)
        return {**part, first: _put(part.get(first), rest, read, inside)}
    name = first.replace("-", "_")
    if not is_dataclass(part) or isinstance(part, type) or name not in _settable(part):
        raise LookupError(first)
    hints = dict(settings_of(type(part)))
    return replace(part, **{name: _put(getattr(part, name), rest, read, hints.get(name, Any))})


def _settable(part: Any) -> list[str]:
    return [f.name for f in fields(part) if f.init]


def _read(option: str, words: Sequence[str], hint: Any, held: Any) -> Any:
    """Words as what a type says; several only where it takes several."""
    kinds = list(_kinds(hint))
    several = next((kind for kind in kinds if get_origin(kind) in (tuple, list, Sequence)), None)
    if several is not None and [word.lower() for word in words] not in (["none"], ["null"]):
        inner = [one for one in get_args(several) if one is not ...]
        each = inner * len(words) if ... in get_args(several) or len(inner) == 1 else inner
        padded = [*each, *[Any] * (len(words) - len(each))]
        return tuple(_one(option, word, kind) for word, kind in zip(words, padded, strict=False))
    if len(words) > 1:
        raise UsageError(f"unknown argument {words[1]!r}")
    if not words and bool in kinds:
        return True
    if not words:
        raise UsageError(f"--{option} needs a value")
    if is_dataclass(held) and not isinstance(held, type) and not _plain(kinds):
        inside = ", ".join(f"--{option}.{one}" for one in options_of(held)[:3])
        raise UsageError(
            f"--{option} is a part ({type(held).__name__}); give its settings: {inside}"
        )
    return _one(option, words[0], hint)


def _one(option: str, word: str, hint: Any) -> Any:
    """One word as what a type says. Raises UsageError where it is none of what that allows."""
    kinds = list(_kinds(hint))
    if (schedule := scheduled(word, hint)) is not None:
        return schedule
    for kind in kinds:
        if kind is type(None) and word.lower() in ("none", "null"):
            return None
        if kind is bool and word.lower() in _WORDS:
            return _WORDS[word.lower()]
        if kind in (int, float):
            with suppress(ValueError):
                return kind(word)
        if get_origin(kind) is Literal:
            for one in get_args(kind):
                if str(one) == word:
                    return one
    if str in kinds or Any in kinds:
        return word
    if not _plain(kinds):
        raise UsageError(f"--{option} holds a part or a function; a recipe's file can name another")
    raise UsageError(f"--{option} is {word!r:.60}; give {expected(hint)}")


def scheduled(text: str, hint: Any) -> Any:
    """The schedule that a text names where a number belongs; None elsewhere."""
    kinds = list(_kinds(hint))
    return named(text) if {int, float} & {*kinds} and str not in kinds else None


def _plain(kinds: Sequence[Any]) -> bool:
    """Whether a word can say what belongs there."""
    return any(
        kind in (int, float, bool, str, Any) or get_origin(kind) is Literal for kind in kinds
    )


def _kinds(hint: Any) -> Iterator[Any]:
    """The types that a setting may have."""
    bare = _bare(hint)
    if get_origin(bare) in (Union, types.UnionType):
        for one in get_args(bare):
            yield from _kinds(one)
    else:
        yield bare


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint
