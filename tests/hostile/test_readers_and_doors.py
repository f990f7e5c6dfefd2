"""Hostile text before every reader of the package, hostile files and requests before every door."""

import random

import pytest

from guerdon import parsing
from hostile import doors, readers


def told(findings):
    return [(f.kind, ascii(f.text[:200]), f.detail) for f in findings]


@pytest.mark.parametrize("name", readers.NAMES)
def test_no_text_breaks_a_reader(name):
    assert not told(readers.tried(name, random.Random(name), 250))


def test_every_reader_of_the_parsing_package_is_fed():
    constants = {name for name in parsing.__all__ if name.isupper()}
    assert set(parsing.__all__) - constants - {"Plain", "Sections"} <= set(readers.NAMES)


OPEN = {
    "rankings": "an image's path that the file system refuses is no DataError yet",
    "recipe": "a recipe's bad YAML and wrong types are no PartError yet",
}
"""Doors that are known to be open. Strict: whoever closes one takes its line out."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.xfail(strict=True, reason=OPEN[n])) if n in OPEN else n
        for n in doors.NAMES
    ],
)
def test_only_the_named_error_comes_of_a_hostile_input(name):
    assert not told(doors.tried(name, random.Random(name), 150))
