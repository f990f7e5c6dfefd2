"""Optional packages: which of them an extra brings, and the command that installs them."""

from __future__ import annotations

import re
from importlib import metadata

_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([\w.-]+)['"]""")
_ENDS = re.compile(r"[^\w.-]")


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


def missing(extra: str | None) -> list[str]:
    """What an extra lists and this installation lacks; nothing for None. Raises as above."""
    lacked = []
    for requirement in requirements(extra) if extra else []:
        try:
            metadata.version(_ENDS.split(requirement)[0])
        except metadata.PackageNotFoundError:
            lacked.append(requirement)
    return lacked


def install(extra: str) -> str:
    """The command that installs an extra's packages, wherever guerdon itself came from.

    It names the packages and not ``guerdon[extra]``: guerdon is on no index, so that pip would
    look for it in vain (or find a stranger's package of the name).
    """
    return f"pip install {' '.join(repr(one) for one in requirements(extra))}"
