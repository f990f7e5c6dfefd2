"""An audit as one self-contained page."""

from __future__ import annotations

import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

from guerdon.audit.findings import KINDS, Audit

EXAMPLES = 3
"""Findings shown of each attack and kind."""


def write_page(audit: Audit, path: Path) -> None:
    """Write the page; it holds everything it shows and loads nothing."""
    from jinja2 import Environment

    environment = Environment(autoescape=True)
    environment.filters["visible"] = visible
    source = resources.files("guerdon.audit").joinpath("page.html").read_text()
    text = environment.from_string(source).render(
        audit=audit, cards=_cards(audit), groups=_groups(audit)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="replace")


def visible(text: str) -> str:
    """The text with every character that shows nothing, or moves others, as its number."""
    return (
        "".join(
            f"⟨U+{ord(c):04X}⟩"
            if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co")
            else c
            for c in text
        )
        or "(nothing)"
    )


def _cards(audit: Audit) -> list[tuple[str, int, str]]:
    trouble = [kind for kind in KINDS if kind not in ("false positive", "false negative")]
    found = [f"{audit.count(kind)} {kind}" for kind in trouble if audit.count(kind)]
    return [
        ("false positives", audit.count("false positive"), "earned, not deserved"),
        ("false negatives", audit.count("false negative"), "deserved, not earned"),
        ("other trouble", sum(map(audit.count, trouble)), ", ".join(found) or "none"),
    ]


def _groups(audit: Audit) -> list[tuple[str, str, int, list[Any]]]:
    shown = audit.examples(EXAMPLES)
    return [
        (kind, about, audit.count(kind), [f for f in shown if f.kind == kind])
        for kind, about in KINDS.items()
        if audit.count(kind)
    ]
