"""The seedling: a small model that ships with the package, so that miniatures can learn."""

from __future__ import annotations

from typing import Any

from guerdon.models.sources import seedling_path


def load_seedling() -> tuple[Any, Any]:
    """The seedling in float32 and its tokenizer."""
    from guerdon.models.loading import load_model

    return load_model("seedling", device="cpu")


__all__ = ["load_seedling", "seedling_path"]
