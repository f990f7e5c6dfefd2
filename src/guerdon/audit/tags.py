"""Tags where they should not be: nested, repeated, unclosed, written otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guerdon.examples import Probe

_TAG = re.compile(r"<(\w{1,40})>")


def broken_tags(probe: Probe) -> Iterator[str]:
    """A completion in form whose sections are nested, doubled, unclosed or look-alikes."""
    good = probe.good
    names = list(dict.fromkeys(_TAG.findall(good)))
    if not names:
        return
    yield good + good
    yield "".join(f"<{name}>" for name in names)
    yield "".join(f"</{name}>" for name in names)
    yield good.replace("<", "＜").replace(">", "＞")
    yield good.replace("<", "&lt;").replace(">", "&gt;")
    for name in names:
        opening, closing = f"<{name}>", f"</{name}>"
        yield good.replace(opening, opening * 2).replace(closing, closing * 2)
        yield good.replace(closing, "")
        yield good.replace(opening, "")
        yield good.replace(opening, closing).replace(closing, opening, 1)
        yield good.replace(opening, opening.upper()).replace(closing, closing.upper())
        yield good.replace(opening, f"<{name} >")
        yield good.replace(opening, f"<{name}\u200b>")
        yield good.replace(closing, f"{closing}{opening}more{closing}")


def tags_around_wrong(probe: Probe) -> Iterator[str]:
    """A wrong answer among odd tags, boxes and fences, with the right one left dangling."""
    wrong, right = probe.wrong[0], probe.right
    yield probe.wrap(f"<answer>{wrong}</answer>")
    yield probe.wrap(wrong, f"It may be {right}.")
    yield probe.wrap(wrong) + f" <answer>{right}"
    yield probe.wrap(wrong) + f" </answer>{right}"
    yield probe.wrap(wrong) + f" \\boxed{{{right}"
    yield probe.wrap(f"{wrong}<!-- {right} -->")
    yield probe.wrap(f"{wrong}</think>")
