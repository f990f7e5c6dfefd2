"""Tagged sections of a completion: ``<think>...</think><answer>...</answer>``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sections:
    """What a text holds of the sections asked for.

    Attributes:
        found: per name, the insides of its sections in the order of the text.
        ordered: every name occurs, and the first section of each begins where the first
            section of the name before it has ended or later.
        strict: the whole text is exactly the named sections, in order, once each, with
            nothing but white space around and between them.
    """

    found: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ordered: bool = False
    strict: bool = False

    def count(self, name: str) -> int:
        """How many sections of that name there are."""
        return len(self.found.get(name, ()))

    def once(self, name: str) -> str | None:
        """The inside of the only section of that name; None where there is none or several."""
        inside = self.found.get(name, ())
        return inside[0] if len(inside) == 1 else None

    def first(self, name: str) -> str | None:
        """The inside of the first section of that name, if any."""
        return next(iter(self.found.get(name, ())), None)

    def last(self, name: str) -> str | None:
        """The inside of the last section of that name, if any."""
        return next(reversed(self.found.get(name, ())), None)


def sections(text: str, names: Sequence[str], strict: bool = False) -> Sections:
    """The sections ``<name>...</name>`` of a text.

    A section runs from an opening tag to the next closing tag of its name; tags inside it
    are part of its content. An opening tag that is never closed is no section. Tags are
    matched as written (case, no attributes). With ``strict``, a text that departs from the
    exact form (see `Sections.strict`) has no sections at all. Time is linear in the text
    for each name, whatever the text.
    """
    spans = {name: _spans(text, name) for name in names}
    found = {
        name: tuple(text[a + len(name) + 2 : b - len(name) - 3] for a, b in spans[name])
        for name in names
    }
    exact = _is_exact(text, names, spans)
    if strict and not exact:
        return Sections(dict.fromkeys(names, ()))
    return Sections(found, ordered=_in_order(names, spans), strict=exact)


def _spans(text: str, name: str) -> list[tuple[int, int]]:
    opening, closing = f"<{name}>", f"</{name}>"
    spans = []
    start = text.find(opening)
    while start >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        spans.append((start, end + len(closing)))
        start = text.find(opening, end + len(closing))
    return spans


def _in_order(names: Sequence[str], spans: Mapping[str, list[tuple[int, int]]]) -> bool:
    end = 0
    for name in names:
        if not spans[name] or spans[name][0][0] < end:
            return False
        end = spans[name][0][1]
    return True


def _is_exact(text: str, names: Sequence[str], spans: Mapping[str, list[tuple[int, int]]]) -> bool:
    if not _in_order(names, spans):
        return False
    end = 0
    for name in names:
        # A second tag of the same name, even an unmatched one, breaks "once each".
        if text.count(f"<{name}>") != 1 or text.count(f"</{name}>") != 1:
            return False
        start, stop = spans[name][0]
        if not (text[end:start].isspace() or start == end):
            return False
        end = stop
    return not text[end:].strip()


def section_text(text: str, name: str = "answer", last: bool = False) -> str | None:
    """The inside of the first (or last) ``<name>`` section, not stripped; None without the tag.

    Where no such section is closed, it is the rest of the text after the first opening tag: a
    completion may end at a stop string, and be cut within the closing tag. This is what every
    reward takes for an answer in a tag.

    >>> section_text("so <answer>Oslo</ans")
    'Oslo'
    """
    opening, closing = f"<{name}>", f"</{name}>"
    if last:
        spans = _spans(text, name)
        if spans:
            return text[spans[-1][0] + len(opening) : spans[-1][1] - len(closing)]
    start = text.find(opening)
    if start < 0:
        return None
    start += len(opening)
    end = text.find(closing, start)
    if end >= 0:
        return text[start:end]
    for length in range(len(closing) - 1, 1, -1):
        if text.endswith(closing[:length], start):
            return text[start:-length]
    return text[start:]


THINKING = ("think", "thinking")
"""Names of the sections that hold a thought and no answer."""


def after_thinking(text: str, names: Sequence[str] = THINKING) -> str:
    """What a text says after its thinking: all of it where it has none.

    That is what follows the last closing tag, whether the opening one stands in the text or in
    the prompt. Thinking that is never closed goes on to an ``<answer>`` tag, or to the end.
    """
    if names is THINKING and "think" not in text:
        return text
    end = 0
    for name in names:
        closing = f"</{name}>"
        place = text.rfind(closing)
        if place >= 0:
            end = max(end, place + len(closing))
    rest = text[end:]
    if rest.lstrip().startswith(tuple([f"<{name}>" for name in names])):
        place = rest.find("<answer>")
        return rest[place:] if place >= 0 else ""
    return rest


def answer_text(text: str) -> str:
    """The part of a completion that answers, stripped.

    The inside of its first ``<answer>`` section (`section_text`), or the text `after_thinking`
    where there is no such tag there (the completion rule of BLEUBERI, arXiv 2505.11080).
    """
    rest = after_thinking(text)
    inside = section_text(rest)
    return (rest if inside is None else inside).strip()
