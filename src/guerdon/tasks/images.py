"""Images of tasks in files: paths made whole and checked, before anything is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMAGES = "images"
"""The task's column that policies read."""


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

    Paths are taken from ``folder``. Raises ValueError beginning with ``where`` for what is not
    there and what is no image.
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
        found = folder / path
        if not found.is_file():
            raise ValueError(
                f"{where}: there is no file {str(found)!r}; paths are taken from the data's folder "
                "(--tasks.image names another column, --tasks.image '' is for none)"
            )
        return str(found.resolve())
    if named or isinstance(image, int | float):
        raise ValueError(f"{where}: {image!r} is no image; give a path or a file's bytes")
    return image
