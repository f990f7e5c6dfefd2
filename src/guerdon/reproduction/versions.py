"""Results by version: where they lie, and what a new one has to be.

``reproductions/<slug>/`` holds ``v1.json``, ``v2.json`` …, each with its picture ``v1.png``, and
maybe ``notes.md``. A version is never written again. Beside what a claim's run says
(`guerdon.reproduction.run.Reproduction`) its file has

- ``version`` and ``supersedes``: its number, and that of the version before it, null for the first;
- ``because``: why it was run, in one line; from the second on;
- ``commit``: the one that was checked out when it ran, without changes to the package; null in
  results of before commits were written.

Its ``seeds`` were used neither by its claim's pilot nor by an earlier version. Two versions of a
system need no further reason; from the third on the notes, as they stand in that commit, say why
there is another under its name (``v3``).
"""

from __future__ import annotations

import re
from itertools import count, islice
from pathlib import Path
from typing import Any

from guerdon.reproduction.claim import Claim, ClaimError
from guerdon.reproduction.run import Reproduction, read, write

FOLDER = Path("reproductions")
PILOT_FROM = 1000
"""Seeds from here on are for pilots; those of results lie below."""
FREELY = 2
"""How many versions of a system need no reason but ``because``."""
_NAME = re.compile(r"v([1-9][0-9]{0,3})\.json")


def versions(folder: Path, slug: str) -> list[Path]:
    """The result files of a system in ``folder``, the first version first; [] without any.

    Raises ClaimError where a number is missing between them.
    """
    found = {
        int(match[1]): path
        for path in (folder / slug).glob("v*.json")
        if (match := _NAME.fullmatch(path.name))
    }
    for number in range(1, len(found) + 1):
        if number not in found:
            raise ClaimError(
                f"{folder / slug} has v{max(found)}.json and no v{number}.json; "
                "results of all versions are kept"
            )
    return [found[number] for number in sorted(found)]


def newest(folder: Path, slug: str) -> Path | None:
    """The result file of a system's last version; None without any."""
    return next(reversed(versions(folder, slug)), None)


def read_version(path: Path) -> dict[str, Any]:
    """A version's file as plain data.

    Raises ClaimError naming file and field where it isn't one, does not fit its name, or says no
    reason.
    """
    data, match = read(path), _NAME.fullmatch(path.name)
    number = int(match[1]) if match else 0
    for field in ("version", "supersedes", "because", "commit", "pilot"):
        if field not in data:
            raise ClaimError(f"{path} has no {field!r}: guerdon reproduce --record writes versions")
    if data["slug"] != path.parent.name or data["version"] != number:
        told = f"{data['slug']!r}, version {data['version']}"
        raise ClaimError(f"{path}: the file says {told}, and not what its name says")
    if data["supersedes"] != (number - 1 or None):
        raise ClaimError(f"{path} supersedes {data['supersedes']!r}, not the version before it")
    if number > 1:
        _check_reason(str(path), data["because"])
    return data


def check_seeds(path: Path) -> None:
    """That a version's seeds are its own: its pilot's are others, and those of earlier versions.

    Raises ClaimError naming file and seeds.
    """
    data = read_version(path)
    before = (path.with_name(f"v{n}.json") for n in range(1, data["version"]))
    taken = {f"v{one['version']}": one["seeds"] for one in map(read, before)}
    _check_apart(str(path), data["seeds"], {"its pilot": (data["pilot"] or {}).get("seeds", [])})
    _check_apart(str(path), data["seeds"], taken)


def fresh_seeds(claim: Claim, folder: Path, number: int | None = None) -> tuple[int, ...]:
    """The seeds of a claim's next version: ``number`` (default: as many as it asks for).

    The first from 100 times the version's number on that neither the pilot nor an earlier version
    used, so who runs it does not choose them.
    """
    known = versions(folder, claim.slug)
    taken = set(claim.pilot.seeds if claim.pilot else ())
    taken |= {seed for path in known for seed in read(path)["seeds"]}
    free = (seed for seed in count(100 * (len(known) + 1)) if seed not in taken)
    return tuple(islice(free, claim.seeds if number is None else number))


def check_new(claim: Claim, seeds: tuple[int, ...], folder: Path, because: str, notes: str) -> None:
    """What can be said against a claim's next version before it runs.

    ``notes`` is the text of its ``notes.md`` in the commit that it runs at. Raises ClaimError with
    the mend.
    """
    known = versions(folder, claim.slug)
    name = f"v{len(known) + 1} of {claim.slug}"
    if len(seeds) < claim.seeds:
        raise ClaimError(f"{name} has {len(seeds)} seeds, and the claim asks for {claim.seeds}")
    if max(seeds) >= PILOT_FROM:
        raise ClaimError(f"{name}: seeds from {PILOT_FROM} on are for pilots, not {max(seeds)}")
    _check_apart(name, seeds, {"the claim's pilot": claim.pilot.seeds if claim.pilot else ()})
    _check_apart(name, seeds, {path.stem: read(path)["seeds"] for path in known})
    if known or because:
        _check_reason(name, because)
    if len(known) >= FREELY and not re.search(rf"\bv{len(known) + 1}\b", notes):
        raise ClaimError(
            f"{name} is one more than {FREELY}: say in {folder / claim.slug / 'notes.md'} what "
            f"'v{len(known) + 1}' is for and what has changed, and commit that before it runs"
        )


def record(result: Reproduction, folder: Path, because: str, commit: str) -> Path:
    """Write ``result`` as its system's next version. What is there stays as it is."""
    number = len(versions(folder, result.slug)) + 1
    about = {
        "version": number,
        "supersedes": number - 1 or None,
        "because": because,
        "commit": commit,
    }
    return write(result, folder / result.slug, f"v{number}", about)


def pilot_seeds(claim: Claim, seeds: tuple[int, ...] | int | None) -> tuple[int, ...]:
    """The seeds of a pilot: these, so many (default: as many as the claim asks for), or an error.

    Raises ClaimError for seeds that a result may use.
    """
    if seeds is None or isinstance(seeds, int):
        return tuple(range(PILOT_FROM, PILOT_FROM + (seeds or claim.seeds)))
    if min(seeds) < PILOT_FROM:
        raise ClaimError(
            f"a pilot runs on seeds from {PILOT_FROM} on, which no result uses; {min(seeds)} is "
            "below"
        )
    return seeds


def _check_reason(where: str, because: Any) -> None:
    if not isinstance(because, str) or not because.strip():
        raise ClaimError(f'{where} says no reason: give --because "…", a line on why it is run')
    if len(because.splitlines()) > 1:
        raise ClaimError(f"{where}: because is one line, not {len(because.splitlines())}")


def _check_apart(where: str, seeds: Any, taken: dict[str, Any]) -> None:
    for whose, used in taken.items():
        if both := sorted({*seeds} & {*used}):
            told = ", ".join(map(str, both[:6])) + (" …" if len(both) > 6 else "")
            raise ClaimError(
                f"{where} uses seeds of {whose}: {told}; results have seeds of their own"
            )
