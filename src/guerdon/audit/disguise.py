"""Unicode that looks like something else, and text of a size nobody meant."""

from __future__ import annotations

from collections.abc import Iterator

from guerdon.audit.numerals import number_of
from guerdon.examples import Probe

_CONFUSABLE = str.maketrans("ABCEHKMOPTXaceopxy0123456789", "АВСЕНКМОРТХасеорху𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

HUGE = 1_000_000
"""Characters of a huge completion."""


def wrong_in_disguise(probe: Probe) -> Iterator[str]:
    """A wrong answer that bidi marks, invisible characters or look-alikes make look right."""
    wrong, right = probe.wrong[0], probe.right
    yield probe.wrap(f"\u202e{wrong}\u202c")
    yield probe.wrap(wrong + "\u200b")
    yield probe.wrap(wrong + "\ufeff\u2060")
    yield probe.wrap(wrong.translate(_CONFUSABLE))
    yield probe.wrap(wrong.translate(_WIDE))
    if number_of(right) is not None and right != right[::-1]:
        yield probe.wrap("\u202e" + right[::-1])
    yield probe.wrap(wrong + "\x08" * len(wrong))


def strange_text(probe: Probe) -> Iterator[str]:
    """The right answer in look-alikes, other digits, per cent, halves of characters.

    Whether these earn is the reward's own rule.
    """
    right = probe.right
    for table in (_CONFUSABLE, _WIDE, _ARABIC, _SUPERSCRIPT):
        yield probe.wrap(right.translate(table))
    yield probe.wrap("\ud800" + right)
    yield probe.wrap(right + "\x00")
    yield probe.wrap("\u202a" + right + "\u202c")
    yield probe.wrap("e\u0301" * 40)
    yield probe.wrap("².³" * 10)
    if number_of(right) is not None:
        yield from (probe.wrap(f"{right}%"), probe.wrap(f"{right}\\%"), probe.wrap(f"+{right}"))
    yield "\ud800\udfff" * 20


def huge(probe: Probe) -> Iterator[str]:
    """A million characters of several kinds: without an answer, whatever the form."""
    units = ("9", "word ", "\\boxed{", "\\frac{1}{", "(", "{", "[", "é\u0301", "\n", "1,000,")
    for unit in units:
        yield unit * (HUGE // len(unit))
    for unit in ("9", "word ", "(", '{"a":', "x^2+"):
        yield probe.wrap(unit * (HUGE // len(unit)))
    for tag in ("<answer>", "</answer>", "<think>", "<answer></answer>", "```\n"):
        yield tag * (HUGE // len(tag) // 4)
