"""Runs a program's cases inside the sandbox and writes down what came out.

Imports the standard library only. Nothing here is trusted: the program shares this process and
may change all of it. What it can't do is know the expected values, which never come here.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

_MAX_NODES = 100_000
_STREAMS: tuple[type, ...] = (
    *map(type, (iter(()), iter([]), iter(frozenset()), iter({}), iter(""), iter(range(0)))),
    *(map, filter, zip, enumerate, reversed, type(reversed([])), type(_ for _ in ())),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
_DICTIONARIES = (dict, collections.Counter, collections.OrderedDict, collections.defaultdict)


class OutputLimitError(Exception):
    """More output than allowed."""


def run_cases(
    source: str, cases: Sequence[Mapping[str, Any]], limit: int, report: Callable[[str], None]
) -> None:
    """One line of JSON to ``report`` per case: its ``case`` and ``value``, ``output`` or ``error``.

    A case with ``stdin`` runs the program anew on that input. A case with ``expression``
    evaluates it where the program has run once.
    """
    space: dict[str, Any] | None = None
    here = os.getcwd()
    for index, case in enumerate(cases):
        found: dict[str, Any] = {"case": index}
        try:
            if "stdin" in case:
                os.chdir(here)
                found["output"] = _run(source, case["stdin"], limit)[1]
            else:
                space = _run(source, "", limit)[0] if space is None else space
                found["value"] = _evaluate(case["expression"], space, limit)
        except BaseException as error:
            # Also SystemExit and what a program raises to slip through "except Exception".
            found["error"] = f"{type(error).__name__}: {error}"[:200]
        report(json.dumps(found))


def _run(source: str, stdin: str, limit: int) -> tuple[dict[str, Any], str]:
    space: dict[str, Any] = {"__name__": "__main__"}
    with _Captured(stdin, limit) as captured, contextlib.suppress(SystemExit):
        exec(compile(source, "program", "exec"), space)
    return space, captured.text


def _evaluate(expression: str, space: dict[str, Any], limit: int) -> Any:
    with _Captured("", limit):
        value = eval(compile(expression, "case", "eval"), space)
    return _Encoder(limit).encode(value)


class _Limited(io.BytesIO):
    limit = 0

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.limit:
            raise OutputLimitError(f"more than {self.limit} bytes of output")
        return super().write(data)


class _Captured:
    """Standard streams: the output in memory and limited, the input at descriptor 0."""

    def __init__(self, stdin: str, limit: int) -> None:
        self.written = _Limited()
        self.written.limit = limit
        self.stdin = _input(stdin.encode("utf-8", "replace"))
        self.stdout = io.TextIOWrapper(self.written, "utf-8", "replace", write_through=True)

    def __enter__(self) -> _Captured:
        self.kept = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = self.stdin, self.stdout, self.stdout
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdin, sys.stdout, sys.stderr = self.kept

    @property
    def text(self) -> str:
        return self.written.getvalue().decode("utf-8", "replace")


def _input(data: bytes) -> io.TextIOWrapper:
    """Standard input, where ``open(0)`` and ``os.read(0, ..)`` find it too.

    It lies in a file without a name. Where none can be made (a program may fill its folder) it is
    in memory, and descriptor 0 has what it had.
    """
    raw: io.BytesIO | io.BufferedReader = io.BytesIO(data)
    with contextlib.suppress(OSError):
        file = os.open("input", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.unlink("input")
            with io.FileIO(file, "r+", closefd=False) as out:
                out.write(data)
            os.lseek(file, 0, os.SEEK_SET)
            os.dup2(file, 0)
        finally:
            if file:  # it is descriptor 0 itself where the program before closed that
                os.close(file)
        raw = io.BufferedReader(io.FileIO(0, closefd=False))
    return io.TextIOWrapper(raw, "utf-8")


class _Encoder:
    """Plain values to JSON that keeps their types apart."""

    def __init__(self, limit: int) -> None:
        self.nodes, self.chars = _MAX_NODES, limit

    def encode(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        self.spend(1, len(value) if kind in (str, bytes) else 0, depth)
        if value is None or kind in (bool, str):
            return value
        if kind in (int, float, complex, bytes, range):
            return self.scalar(value)
        if kind in (list, tuple, set, frozenset):
            name = "set" if kind is frozenset else kind.__name__
            return {name: [self.encode(one, depth + 1) for one in value]}
        if kind in _DICTIONARIES:
            pairs = value.items()
            return {
                "dict": [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in pairs]
            }
        if kind in _STREAMS:
            items = islice(value, _MAX_NODES)
            return {"iterator": [self.encode(one, depth + 1) for one in items]}
        raise TypeError(f"a {kind.__name__} is no plain value")

    def scalar(self, value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, int):
            self.spend(0, value.bit_length() // 4)
            # Long numbers have a limit of digits in base 10.
            return value if abs(value) < 1 << 63 else {"int": hex(value)}
        if isinstance(value, complex):
            return {"complex": [repr(value.real), repr(value.imag)]}
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        return {"range": [hex(value.start), hex(value.stop), hex(value.step)]}

    def spend(self, nodes: int, chars: int, depth: int = 0) -> None:
        self.nodes -= nodes
        self.chars -= chars
        if self.nodes < 0 or self.chars < 0 or depth > 50:
            raise OutputLimitError("the value is too large")
