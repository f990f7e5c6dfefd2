"""What a completion says once it has done thinking."""

from __future__ import annotations


def after_thinking(text: str, name: str = "think") -> str:
    """The text behind the last ``</name>``, up to a ``<name>`` that is never closed.

    The whole text where neither tag occurs. What a model only thinks of is no answer, and a text
    that never stops thinking has none.
    """
    rest = text[text.rfind(f"</{name}>") + len(name) + 3 :] if f"</{name}>" in text else text
    return rest.partition(f"<{name}>")[0]
