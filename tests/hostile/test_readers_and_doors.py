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


@pytest.mark.parametrize("name", doors.NAMES)
def test_only_the_named_error_comes_of_a_hostile_input(name):
    assert not told(doors.tried(name, random.Random(name), 150))
