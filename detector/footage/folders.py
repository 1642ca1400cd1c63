"""Which levels of folders cameras make by themselves, and which people name."""

from __future__ import annotations

import re

from detector.base.objects.address import Place

DCIM = "dcim"
# DCIM, and the folders 100XXXXX to 999XXXXX that cameras number within it; eight digits are rather a date
_CAMERA_LEVEL = re.compile(rf"{DCIM}|[1-9]\d\d(?=.*[A-Z_])[A-Z0-9_]{{5}}", re.IGNORECASE | re.ASCII)


def is_camera_level(name: str) -> bool:
    """Whether a camera made the folder of this name."""
    return _CAMERA_LEVEL.fullmatch(name) is not None


def given_name(folder: Place) -> str:
    """The last name in a folder's path that people gave: of `hide/DCIM/100RECNX` it is `hide`; "" where there is none.

    Args:
        folder: Absolute.
    """
    for level in (folder, *folder.parents):
        under_dcim = level.parent.name.casefold() == DCIM  # whatever it is called, dates of Sony's cameras too
        if level.name and not under_dcim and not is_camera_level(level.name):
            return level.name
    return ""
