"""Parts of scores by their names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from guerdon.records import Scores


def part_of(owner: object, scores: Scores, name: str) -> Tensor:
    """float[N]: the part ``name``, or the total for "". ``owner`` is named where it is absent."""
    return parts_of(owner, scores, (name,))[name] if name else scores.value


def parts_of(owner: object, scores: Scores, names: Sequence[str] = ()) -> dict[str, Tensor]:
    """The parts of these names, in their order; all parts if none is named.

    Raises ValueError, naming ``owner`` and what there is, for absent parts and for no parts.
    """
    missing = [name for name in names if name not in scores.parts]
    if missing or not scores.parts:
        wanted = ", ".join(map(repr, missing)) or "at least one part"
        raise ValueError(
            f"{type(owner).__name__} asks for {wanted}, but the reward has "
            f"{', '.join(sorted(scores.parts)) or 'no parts'}"
        )
    return {name: scores.parts[name] for name in names or scores.parts}
