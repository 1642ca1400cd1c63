"""The file of fitted numbers."""

from pathlib import Path

import pytest

from backbones.errors import DataError
from detector.species.calibration import Calibration
from detector.species.gate import GateThresholds


def test_nothing_fitted_is_an_uncalibrated_model() -> None:
    nothing = Calibration()
    assert (nothing.temperature, nothing.weight, nothing.gate) == (1.0, 0.5, None)
    assert nothing.fits("anything")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    fitted = Calibration(
        temperature=1.7, weight=0.35, gate_low=-8.5, gate_high=-4, classifier_sha256="ab", bird_crops=9
    )
    fitted.write(tmp_path / "sub" / "calibration.json")
    read = Calibration.read(tmp_path / "sub" / "calibration.json")
    assert read == fitted
    assert read.gate == GateThresholds(-8.5, -4)
    assert read.fits("ab")
    assert read.fits(None)
    assert not read.fits("cd")


@pytest.mark.parametrize(
    "text",
    ['{"temperature": 0}', '{"gate_low": 1}', '{"gate_low": 1, "gate_high": 0}', '{"weight": 2}', "{", '{"x": 1}'],
)
def test_a_file_that_is_none_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(DataError, match="no calibration"):
        Calibration.read(path)
    with pytest.raises(DataError, match="no such file"):
        Calibration.read(tmp_path / "nothing.json")
