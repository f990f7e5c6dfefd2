"""Optional packages: which of them an extra brings, and the command that installs them."""

from __future__ import annotations

import re
from importlib import metadata

_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([\w.-]+)['"]""")


def requirements(extra: str) -> list[str]:
    """What ``pyproject.toml`` lists for an extra, such as ``["sqlglot>=27", "duckdb>=1.2"]``.

    Raises ValueError for an extra that there is not.
    """
    found = []
    for line in metadata.requires("guerdon") or ():
        requirement, _, marker = line.partition(";")
        if extra in _EXTRA.findall(marker):
            found.append(requirement.strip())
    if not found:
        raise ValueError(f"guerdon has no extra {extra!r}")
    return found


def install(extra: str) -> str:
    """The command that installs an extra's packages, wherever guerdon itself came from.

    It names the packages and not ``guerdon[extra]``: guerdon is on no index, so that pip would
    look for it in vain (or find a stranger's package of the name).
    """
    return f"pip install {' '.join(repr(one) for one in requirements(extra))}"
