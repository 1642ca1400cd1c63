"""Folders are called by the level that people named."""

from pathlib import Path

import pytest

from detector.footage.folders import given_name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/", ""),
        ("/DCIM", ""),
        ("/media/hide/DCIM/100RECNX", "hide"),
        ("/media/hide/dcim/101_PANA", "hide"),
        ("/media/hide/DCIM/10140501", "hide"),  # Sony: folder 101, 2024-05-01
        ("/survey/20240501", "20240501"),
        ("/survey/20240501/DCIM", "20240501"),
        ("/survey/100MEDIA/north", "north"),
        ("/survey/12345678", "12345678"),  # a camera's serial number
    ],
)
def test_a_folder_is_called_as_people_named_it(folder: str, name: str) -> None:
    assert given_name(Path(folder)) == name
