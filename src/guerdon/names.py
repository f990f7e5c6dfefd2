"""Names that become folders and files (of recipes, claims and runs), or are read from them."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable
from difflib import get_close_matches

MAX_BYTES = 120
"""Longest name: file systems take 255 bytes, and endings are added."""

_NAME = re.compile(r"[^\W_](?:[\w .+=,-]*[\w+])?")
_WINDOWS = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


def check_name(name: object, what: str) -> None:
    """Raises ValueError, beginning with ``what``, unless ``name`` can be one folder's name.

    It begins with a letter or digit, goes on with these and any of ``_ . + = , -`` and spaces,
    ends with none of the last but ``_`` and ``+``, and is no name that Windows keeps for devices.
    So it never leaves the folder that it is put in, and is never read as an option.
    """
    if not isinstance(name, str):
        raise ValueError(f"{what} is {name!r:.60}; a name is text")
    if not _NAME.fullmatch(name) or _WINDOWS.fullmatch(name):
        raise ValueError(
            f"{what} is {name!r:.60}, which can't name a folder; use letters, digits and _ . - "
            "between them, such as 'grpo-small'"
        )
    if len(name.encode()) > MAX_BYTES:
        raise ValueError(f"{what} is longer than {MAX_BYTES} bytes ({name[:30]!r}...); shorten it")


def slugs_in(package_path: Iterable[str]) -> tuple[str, ...]:
    """The slugs of a package's modules, sorted: ``dianjin_r1.py`` is ``dianjin-r1``.

    Modules that begin with ``_`` have none. Nothing is imported.
    """
    found = (module.name for module in pkgutil.iter_modules(package_path))
    return tuple(sorted(name.replace("_", "-") for name in found if not name.startswith("_")))


def nearest(name: str, known: Iterable[str], form: str = "{!r}") -> str:
    """``"; did you mean 'x' or 'y'?"`` of the names that are near to it; "" where none is.

    ``form`` is how a name is written there. Upper and lower case and the sign between words
    (``_``, space or ``-``) make no difference.
    """
    plain = {_plain(one): one for one in known}
    meant = _plain(name)
    near = [meant] if meant in plain else get_close_matches(meant, plain, 2, 0.6)
    found = [form.format(plain[one]) for one in near]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")
