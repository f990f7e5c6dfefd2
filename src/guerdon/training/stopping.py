"""What ends a run by itself: `TrainingStopped`, and the part of a recipe that raised."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from guerdon.failures import told

logger = logging.getLogger("guerdon.training")


class TrainingStopped(RuntimeError):
    """The run can't go on; the message says why and what to do."""


class PartFailed(TrainingStopped, ValueError):
    """A shaper, advantage, curriculum, filter or objective raised; the message says where."""


@contextmanager
def naming(what: str, part: Any) -> Iterator[None]:
    """What ``part`` raises inside becomes `PartFailed`, which says in one line what and where.

    The traceback goes to the log, as information. `TrainingStopped` and KeyboardInterrupt pass.
    """
    try:
        yield
    except (TrainingStopped, KeyboardInterrupt):
        raise
    except BaseException as error:
        name = getattr(part, "__name__", type(part).__name__)
        _, trace = told(error)
        headline = trace.split("\n", 1)[0]
        logger.info("%s %s raised\n%s", what, name, trace)  # the message has its file and line
        raise PartFailed(
            f"{what} {name} raised {headline}. It is a part of the recipe, not a judgement of one "
            "completion, so the run can't go on without it: mend it and resume"
        ) from error
