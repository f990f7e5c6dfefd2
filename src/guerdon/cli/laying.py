"""One setting of a recipe by its place: found, read from words by its declared type, laid over."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from guerdon.cli.options import UsageError
from guerdon.names import nearest
from guerdon.ranges import expected, settings_of
from guerdon.schedules import named

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


Reader = Callable[[Any, Any], Any]
"""(what stands there, its declared type) -> what is to stand there."""


class NoSuchPlaceError(LookupError):
    """A recipe has no such place, which is told."""


def lay(recipe: Any, given: Mapping[str, Sequence[str]], known: Iterable[str] = ()) -> Any:
    """``recipe`` with the settings that options (``loop.steps``) name, read from their words.

    A whole-or-not setting needs no word, and is taken off by ``no-`` before its own name.
    Raises UsageError for an option that there is not (with the nearest, among ``known`` too) and
    for words that are not what the setting's type says. Ranges are not checked here.
    """
    flags = {place for place, held in _leaves(recipe) if isinstance(held, bool)}
    readers: dict[str, Reader] = {}
    for option, words in given.items():
        before, dot, last = option.rpartition(".")
        off = f"{before}{dot}{last.removeprefix('no-')}"
        if off != option and off in flags and not words:
            readers[off] = lambda held, hint: False
        else:
            readers[option] = partial(_read, option, words)
    try:
        return put(recipe, readers)
    except NoSuchPlaceError as error:
        option = str(error)
        told = f"there is no option --{option}{meant(option, recipe, '--{}', known)}"
        raise UsageError(f"{told} (--settings lists all)") from None


def put(whole: Any, readers: Mapping[str, Reader]) -> Any:
    """``whole`` with what ``readers`` give at their places (``loop.steps``, ``shaping.0.limit``).

    A part's settings are replaced together, since each may fit the others alone. Raises
    NoSuchPlaceError.
    """
    return _put(whole, [(place.split("."), place, read) for place, read in readers.items()], Any)


def tell_moved(place: str, recipe: Any, form: str) -> None:
    """Say what a place is called now, in ``form``, if it is given by what it was called."""
    steps = place.split(".")
    now = _in_full(steps, getattr(recipe, "moved_places", {}))
    if now is not steps:
        print(f"guerdon: {form.format(place)} is {form.format('.'.join(now))} now", file=sys.stderr)


def _in_full(steps: Sequence[str], places: Mapping[str, str]) -> Sequence[str]:
    """The steps to a place by its own name, where it was called by another of ``places``."""
    for other, own in places.items():
        count = other.count(".") + 1
        if [step.replace("-", "_") for step in steps[:count]] == other.split("."):
            return [*own.split("."), *steps[count:]]
    return steps


def options_of(recipe: Any) -> list[str]:
    """Every option of a recipe's settings, such as ``loop.steps`` and ``shaping.0.limit``."""
    return [option for option, _ in _leaves(recipe)]


def meant(place: str, recipe: Any, form: str, more: Iterable[str] = ()) -> str:
    """What a place that a recipe has not was meant to be, for an error; each in ``form``.

    Settings of the same last name, else those, parts and ``more`` that are spelled alike.
    """
    options, last = options_of(recipe), place.rpartition(".")[2]
    found = [form.format(one) for one in options if one.rpartition(".")[2] == last][:3]
    if found:
        return f"; did you mean {' or '.join(found)}?"
    parts = [one.rpartition(".")[0] for one in options]
    return nearest(place, [*options, *filter(None, parts), *more], form)


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


_Changes = Sequence[tuple[Sequence[str], str, Reader]]
"""What is changed: the steps that lead there from a part, the whole place, and its reader."""


def _put(part: Any, changes: _Changes, hint: Any) -> Any:
    inside: dict[str, list[tuple[Sequence[str], str, Reader]]] = {}
    others = {**getattr(part, "short_places", {}), **getattr(part, "moved_places", {})}
    for called, place, read in changes:
        if steps := _in_full(called, others):
            first = steps[0].replace("-", "_") if is_dataclass(part) else steps[0]
            inside.setdefault(first, []).append((steps[1:], place, read))
        else:
            part = read(part, hint)
    if not inside:
        return part
    held = _held(part, hint, inside)
    for name, within in inside.items():
        if name not in held:
            raise NoSuchPlaceError(within[0][1])
    new = {name: _put(held[name][0], within, held[name][1]) for name, within in inside.items()}
    if isinstance(part, tuple):
        return tuple(new.get(str(i), one) for i, one in enumerate(part))
    return {**part, **new} if isinstance(part, Mapping) else replace(part, **new)


def _held(part: Any, hint: Any, named: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """What stands in a part, by name, with its declared type; a mapping takes what is ``named``."""
    if isinstance(part, tuple):
        return {str(i): (one, Any) for i, one in enumerate(part)}
    if isinstance(part, Mapping):
        kind = next(iter(get_args(_bare(hint))[1:]), Any)
        return {name: (part.get(name), kind) for name in named}
    if not is_dataclass(part) or isinstance(part, type):
        return {}
    whole: Any = type(part)
    hints = dict(settings_of(whole))
    return {name: (getattr(part, name), hints.get(name, Any)) for name in _settable(part)}


def _settable(part: Any) -> list[str]:
    return [f.name for f in fields(part) if f.init]


def _read(option: str, words: Sequence[str], held: Any, hint: Any) -> Any:
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
        told = f"its settings are {inside}" if inside != f"--{option}." else "it has no settings"
        raise UsageError(f"--{option} is a part ({type(held).__name__}); {told}")
    return _one(option, words[0], hint)


def _one(option: str, word: str, hint: Any) -> Any:
    """One word as what a type says. Raises UsageError where it is none of what that allows."""
    kinds = list(_kinds(hint))
    if {int, float} & {*kinds} and str not in kinds and (schedule := named(word)) is not None:
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
        raise UsageError(f"--{option} holds parts or functions; a recipe's file can name others")
    raise UsageError(f"--{option} is {word!r:.60}; give {expected(hint)}")


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
