"""Which photos an export is calibrated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.errors import DataError
from detector.conversion.photos import LEAST, chosen_photos


def photo(path: Path, night: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(0).integers(0, 255, (16, 16, 1), np.uint8).repeat(3, axis=2)
    Image.fromarray(grey if night else grey // np.array([1, 2, 4], np.uint8)).save(path)


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 photos"):
        chosen_photos(tmp_path)


def test_every_camera_is_chosen_by_day_and_by_night(tmp_path: Path) -> None:
    for number in range(40):
        photo(tmp_path / "busy" / f"{number:02}.png")
    for number in range(4):
        photo(tmp_path / "quiet" / f"{number}.png", night=number == 3)
    (tmp_path / "quiet" / "torn.jpg").write_bytes(b"\xff\xd8")
    chosen = chosen_photos(tmp_path, calibrating=8, held_out=4)
    calibrating, held_out = set(chosen.calibrating.paths), set(chosen.held_out.paths)
    assert (len(calibrating), len(held_out)) == (8, 4)
    assert not calibrating & held_out
    names = [path.relative_to(tmp_path).as_posix() for path in calibrating | held_out]
    assert "quiet/3.png" in names  # the only one of the night
    assert sum(name.startswith("quiet") for name in names) == 4
    assert len(list(chosen.held_out)) == 4


def test_few_photos_are_all_used(tmp_path: Path) -> None:
    for number in range(LEAST):
        photo(tmp_path / f"{number:02}.png")
    chosen = chosen_photos(tmp_path)
    assert (len(chosen.calibrating.paths), len(chosen.held_out.paths)) == (8, 4)
