"""Which camera a folder belongs to, where no table says so."""

from __future__ import annotations

import re
from collections.abc import Iterable

from backbones.errors import ConfigError
from detector.footage.folders import is_camera_level


def camera_folder(folder: str) -> str:
    """A folder up to the first level that the camera itself made: `hide/DCIM/100RECNX` is `hide`.

    Args:
        folder: Under the card's root, with forward slashes; "" is the root itself.
    """
    levels = []
    for level in folder.split("/"):
        if is_camera_level(level):
            break
        levels.append(level)
    return "/".join(levels)


def folder_deployment(card: str, folder: str) -> str:
    """The deployment's name where no table gives one: card and folder."""
    return f"{card}/{folder}" if folder else card


def compile_camera(text: str) -> re.Pattern[str]:
    """The expression of `--camera-from`.

    Raises:
        ConfigError: It is not a regular expression.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(
            f"this is not a regular expression ({error})", where="camera_from", hint=r"such as 'cam\d+'"
        ) from error


def group_cameras(
    folders: Iterable[tuple[str, str]], camera: re.Pattern[str] | None = None
) -> dict[tuple[str, str], str]:
    """The cameras of folders, each by its own folder.

    Args:
        folders: (card, folder) of media items.
        camera: Searched in `card/folder`; its first group, or all that it matches, is the deployment's name, and the
            camera's folder ends with the level that the match ends in. Where it matches nothing, or None: see
            `camera_folder`.

    Returns:
        (card, camera's folder) -> deployment's name, sorted. Two folders may have one name: two visits to a camera.
    """
    found: dict[tuple[str, str], str] = {}
    for card, folder in folders:
        match = camera.search(f"{card}/{folder}") if camera else None
        if match:
            end = f"{card}/{folder}/".find("/", match.end() - 1 if match.end() else 0)
            own = f"{card}/{folder}"[: end if end >= 0 else None][len(card) + 1 :]
            name = (match.group(1) if match.re.groups else match.group()) or match.group()
        else:
            own = camera_folder(folder)
            name = folder_deployment(card, own)
        found[card, own] = name
    return dict(sorted(found.items()))
