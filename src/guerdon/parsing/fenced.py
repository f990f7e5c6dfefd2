"""Fenced blocks of a completion: ```` ```python ... ``` ````."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile("`{3,}")
_WORD = re.compile(r"[\w.+#-]*")


MAX_FENCES = 1000
"""Most runs of backticks of one text that are looked at."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """One block: ``info`` is what stands on the fence's line, ``inside`` the lines below it.

    ``before`` is the line above the fence, or what stands before it on its own line (200 characters
    at most). ``closed`` is False for the block that the text ends in. All of a block on one line
    (```` ```sql SELECT 1``` ````) is its ``info``.
    """

    info: str
    inside: str
    before: str = ""
    closed: bool = True

    @property
    def language(self) -> str:
        """The first word of ``info``, in lower case; "" where there is none."""
        if self.info.isalnum():
            return self.info.lower()
        word = _WORD.match(self.info.lstrip("{."))
        return word.group().lower() if word else ""

    @property
    def rest(self) -> str:
        """``info`` after the language."""
        return self.info.lstrip("{.")[len(self.language) :].strip()


def fenced_blocks(text: str) -> list[Fenced]:
    """The fenced blocks of a text, in order; one that the text ends in is the last. Linear time.

    A block begins at three backticks or more and ends at the next on its line, else at the next
    that something may end at: they stand at the end of a line, before white space or a tag, or
    begin a line and no word follows them. Backticks inside a text of the program (``s = "```"``)
    so end nothing. What the opening fence is indented by is taken from every line. Of more than
    `MAX_FENCES` fences the further ones are text.
    """
    fences = _fences(text)
    if not fences:
        return []
    # The next fence that may end a block, from each on; the number of fences where there is none.
    following = [len(fences)] * (len(fences) + 1)
    for place in range(len(fences) - 1, -1, -1):
        following[place] = place if _may_end(text, *fences[place]) else following[place + 1]
    blocks, place = [], 0
    while place < len(fences):
        last = place + 1
        if last == len(fences) or "\n" in text[fences[place][1] : fences[last][0]]:
            last = following[last]
        blocks.append(_block(text, fences[place], fences[last] if last < len(fences) else None))
        place = last + 1
    return blocks


def _fences(text: str) -> list[tuple[int, int]]:
    """Where each of the first runs of backticks begins and ends."""
    fences: list[tuple[int, int]] = []
    start = text.find("```")
    while start >= 0 and len(fences) < MAX_FENCES:
        run = _FENCE.match(text, start)
        end = start + 3 if run is None else run.end()
        fences.append((start, end))
        start = text.find("```", end)
    return fences


def unfenced(text: str) -> str:
    """What stands in the first fenced block of a text, or the text where it has none; stripped."""
    block = next(iter(fenced_blocks(text)), None) if "```" in text else None
    if block is None:
        return text.strip()
    return block.inside.strip() or block.rest


def _may_end(text: str, start: int, end: int) -> bool:
    following = text[end : end + 1]
    if not following or following.isspace() or following == "<":
        return True
    return not _before(text, start) and not (following.isalnum() or following in "_{.")


def _before(text: str, start: int) -> str:
    """What stands on the line before this place: its last 200 characters, stripped."""
    return text[max(text.rfind("\n", 0, start) + 1, start - 200) : start].strip()


def _block(text: str, opening: tuple[int, int], closing: tuple[int, int] | None) -> Fenced:
    start, end = opening
    line = text.rfind("\n", 0, start) + 1
    before = _before(text, start)
    info, newline, inside = text[end : len(text) if closing is None else closing[0]].partition("\n")
    if not before:
        above = text[max(line - 400, 0) : line].rstrip()
        before = _before(above, len(above))
        if newline and start > line:
            inside = "\n".join(_dedented(one, start - line) for one in inside.split("\n"))
    return Fenced(info.strip(), inside, before, closing is not None)


def _dedented(line: str, most: int) -> str:
    """A line without its first ``most`` blanks; with fewer, without those it has."""
    return line[min(most, len(line) - len(line.lstrip(" \t"))) :]
