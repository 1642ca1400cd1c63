"""What `hoopoe calibrate` fits, as a file: the temperature, the weight and the gate."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from backbones.errors import DataError
from detector.base.files import MAX_TEXT_BYTES, read_bytes, write_bytes
from detector.config import Section
from detector.species.gate import GateThresholds

DEFAULT_WEIGHT = 0.5  # of the classifier beside the detector


class Calibration(Section):
    """The numbers that turn logits into names; what was not fitted is as for an uncalibrated model."""

    temperature: float = Field(1.0, gt=0)
    """T of p = softmax(z / T + log prior)."""

    weight: float = Field(DEFAULT_WEIGHT, ge=0, le=1)
    """w in d^(1-w) p^w: the share of the classifier, beside the detector's score or its scores of species."""

    gate_low: float | None = None
    """Energies up to it are a bird's; null: nothing that a detector calls just an animal is decided."""

    gate_high: float | None = None
    """Energies above it are no bird's; null with gate_low."""

    classifier_sha256: str | None = None
    """Of the weights that this was fitted for; null: any."""

    bird_crops: int = Field(0, ge=0)
    """Crops that the temperature was fitted on; 0: it was not."""

    other_crops: int = Field(0, ge=0)
    """Crops of anything but birds that the gate was fitted on."""

    detector_boxes: int = Field(0, ge=0)
    """Boxes of a detector that the weight was fitted on."""

    @model_validator(mode="after")
    def _gate_is_whole(self) -> Calibration:
        if (self.gate_low is None) != (self.gate_high is None):
            raise ValueError("gate_low and gate_high come together")
        self.gate  # noqa: B018 - its check
        return self

    @property
    def gate(self) -> GateThresholds | None:
        """The gate's thresholds; None where they were not fitted."""
        if self.gate_low is None or self.gate_high is None:
            return None
        return GateThresholds(self.gate_low, self.gate_high)

    def fits(self, sha256: str | None) -> bool:
        """Whether it may be used with a classifier whose weights have this hash; None: not known."""
        return self.classifier_sha256 is None or sha256 is None or self.classifier_sha256 == sha256

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_bytes(path, (self.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read what `write` wrote.

        Raises:
            DataError: The file cannot be read, or is not a calibration.
        """
        hint = "make it again with `hoopoe calibrate`"
        try:
            return cls.model_validate_json(read_bytes(path, max_bytes=MAX_TEXT_BYTES, what="calibration"))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            problem = f"this is no calibration: {place[:80]} {first['msg'][:200]}"
            raise DataError(problem, where=path, hint=hint) from error
