"""Seedlings: small models, one of which ships with the package, so that miniatures can learn."""

from __future__ import annotations

from typing import Any

from guerdon.models.sources import seedling_path


def load_seedling(seed: int = 0) -> tuple[Any, Any]:
    """A seedling in float32 and its tokenizer.

    That of seed 0 ships; others raise ModelError with the command that grows them until it ran.
    """
    from guerdon.models.loading import load_model

    return load_model(f"seedling-{seed}" if seed else "seedling", device="cpu")


__all__ = ["load_seedling", "seedling_path"]
