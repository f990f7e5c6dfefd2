"""Images of tasks in files: paths made whole and checked, before anything is trained."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

IMAGES = "images"
"""The task's column that policies read."""

MAX_SIDE = 16_384
MAX_PIXELS = 64_000_000
"""Longest side and largest area of a picture: a small file may unpack to gigabytes."""


def images_in(row: Mapping[str, Any], column: str) -> list[Any]:
    """What a row shows in ``column``, else in `IMAGES`: one or a list; nothing for None."""
    held = row.get(column)
    held = row.get(IMAGES) if held is None else held
    several = held if isinstance(held, list | tuple) else [held]
    return [image for image in several if image is not None]


def with_images(
    columns: Mapping[str, Any], column: str, folder: Path, where: str
) -> dict[str, Any]:
    """A task's columns, with what ``column`` shows in `IMAGES` ("" shows nothing).

    Paths are taken from ``folder`` and stay below it, symbolic links followed. Raises ValueError
    beginning with ``where`` for what is not there, lies elsewhere, is no image, is a film, or has
    more than `MAX_PIXELS`.
    """
    if not column or not (images := images_in(columns, column)):
        return dict(columns)
    named = column if columns.get(column) is not None else IMAGES
    rest = {name: value for name, value in columns.items() if name != named}
    return {**rest, IMAGES: tuple(_whole(i, folder, f"{where}, field {named!r}") for i in images)}


def image_name(image: Any) -> str:
    """What tells an image from others: its path as given, else a hash of its content."""
    if isinstance(image, str):
        return image
    if isinstance(image, Mapping):
        image = image.get("bytes") or str(image.get("path"))
    if hasattr(image, "tobytes"):
        image = image.tobytes()
    content = image if isinstance(image, bytes) else str(image).encode()
    return hashlib.sha256(content).hexdigest()


def _whole(image: Any, folder: Path, where: str) -> Any:
    named = isinstance(image, Mapping) and not image.get("bytes")
    path = image.get("path") if named else image
    if isinstance(path, str):
        found = _below(folder, path, where)
        _check(found, where)
        return str(found)
    if named or isinstance(image, bool | int | float):
        raise ValueError(f"{where}: {image!r:.100} is no image; give a path or a file's bytes")
    held = image.get("bytes") if isinstance(image, Mapping) else image
    if isinstance(held, bytes):
        _check(BytesIO(held), where)
    return image


def _below(folder: Path, path: str, where: str) -> Path:
    """The file at ``path``, seen from ``folder``; data never shows what lies elsewhere."""
    try:
        home = folder.resolve()
        found = (home / path).resolve()
        there = found.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, links in a circle
        raise ValueError(f"{where}: {path!r:.100} is no file's name ({error})") from error
    if not found.is_relative_to(home):
        raise ValueError(
            f"{where}: {path!r:.200} leads out of the folder {str(home)!r}; images lie below the "
            "data's folder, or the one that --tasks.image-folder names"
        )
    if not there:
        raise ValueError(
            f"{where}: there is no file {str(found)!r:.300}; paths are taken from the data's "
            "folder (--tasks.image-folder names another, --tasks.image another column, '' none)"
        )
    return found


def _check(file: Path | BytesIO, where: str) -> None:
    """Raises ValueError unless this is one picture of a bearable size, by its first bytes.

    Whether its pixels are whole is seen when they are read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we have a limit
            with Image.open(file) as image:
                width, height = image.size
                frames = getattr(image, "n_frames", 1)
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{where}: {_told(file)} is no image that can be read; give PNG or JPEG"
        ) from error
    except Exception as error:  # Pillow's readers pass on what they stumble over
        told = " ".join(str(error).split())
        raise ValueError(f"{where}: {_told(file)} can't be read as an image ({told})") from error
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ValueError(
            f"{where}: {_told(file)} has {width} x {height} pixels; make it smaller (at most "
            f"{MAX_SIDE} a side and {MAX_PIXELS // 10**6} million in all)"
        )
    if frames > 1:
        raise ValueError(
            f"{where}: {_told(file)} is a film of {frames} pictures; give the one that is meant"
        )


def _told(file: Path | BytesIO) -> str:
    return repr(str(file)) if isinstance(file, Path) else "the image"
