"""Mends name commands that work where guerdon came from no index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guerdon.extras import install, requirements

ROOT = Path(__file__).parents[1]


def test_an_extra_names_its_packages() -> None:
    assert requirements("endpoint") == ["httpx>=0.27"]
    assert install("endpoint") == "pip install 'httpx>=0.27'"
    assert {re.split(r"\W", one)[0] for one in requirements("sql")} == {"sqlglot", "duckdb"}


def test_an_unknown_extra_is_said() -> None:
    with pytest.raises(ValueError, match="no extra 'nonsense'"):
        requirements("nonsense")


def test_no_text_of_ours_asks_an_index_for_guerdon() -> None:
    texts = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.md"), *ROOT.glob("*.md")]
    assert texts
    asked = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in texts
        for line in path.read_text().splitlines()
        if re.search(r"install\s+(-\S+\s+)*['\"]?guerdon\b", line)
    ]
    assert not asked
