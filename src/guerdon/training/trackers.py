"""Experiment trackers, through accelerate: tensorboard, wandb, trackio and its others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Trackers:
    """Sends figures to trackers, each a name or one of accelerate's own tracker objects.

    Raises ImportError naming the extra for a tracker whose package is missing.
    """

    def __init__(self, names: Sequence[Any], folder: Path | None) -> None:
        self._accelerator: Any = None
        if not names:
            return
        from accelerate import Accelerator

        check_trackers(names)
        self._accelerator = Accelerator(log_with=list(names), project_dir=folder or ".")
        self._accelerator.init_trackers("guerdon")

    def log(self, metrics: dict[str, float], step: int) -> None:
        """One step's figures."""
        if self._accelerator is not None:
            self._accelerator.log(metrics, step=step)

    def close(self) -> None:
        """Flush and end."""
        if self._accelerator is not None:
            self._accelerator.end_training()


def check_trackers(names: Sequence[Any]) -> None:
    """Raises ImportError naming the extra for a tracker whose package is missing."""
    if not names:
        return
    from accelerate.tracking import get_available_trackers

    available = {str(getattr(t, "value", t)) for t in get_available_trackers()}
    for name in names:
        if isinstance(name, str) and name not in available:
            raise ImportError(
                f"the tracker {name!r} is not installed (installed: "
                f"{', '.join(sorted(available)) or 'none'}); pip install {name}, or "
                "pip install 'guerdon[trackers]' for trackio"
            )
