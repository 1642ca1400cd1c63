"""What a person can decide about decisions; kept in `run.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from detector.config import Section
from detector.types import Kind

Settled = Literal[Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE, Kind.BLANK]
OutsidePeriod = Literal["leave-out", "count"]
LEAVE_OUT: OutsidePeriod = "leave-out"
COUNT: OutsidePeriod = "count"


class DecideOptions(Section):
    """The options of `hoopoe decide`. Paths are as they were given, absolute."""

    deployments: str | None = None
    """The table of deployments; null: they are told from folders."""

    taxonomy: str | None = None
    """CSV of names that override the shipped ones."""

    kinds: dict[str, Settled] = Field(default_factory=dict)
    """What labels are, by label, where their names do not say so."""

    priors: list[str] = Field(default_factory=list)
    """Files of how often species are seen: one for all, or one a region, which the table of deployments names."""

    calibration: str | None = None
    """JSON that `hoopoe calibrate` wrote."""

    score_threshold: float = Field(0.2, ge=0, le=1)
    """The detector's score from which boxes count."""

    name_threshold: float = Field(0.65, gt=0, le=1)
    """The confidence from which a name is given."""

    independence_min: float = Field(30.0, ge=0)
    """Minutes without a sight of the same name after which it is another event."""

    independence_by_kind: dict[str, float] = Field(default_factory=dict)
    """The same for kinds of camera, such as feeder."""

    outside_period: OutsidePeriod = LEAVE_OUT
    """What becomes of files outside the periods that the table of deployments states: left out of events and effort, or
    counted, with longer periods."""

    unmatched: bool = False
    """Whether there may be rows of that table without files while there are files without a row."""

    camera_from: str | None = None
    """Regular expression that finds the camera's name in card and folder, where no table lists them."""

    repeats: bool = True
    """Whether what stands still in many pictures is left out of the counts."""

    repeats_at_nests: bool = False
    """The same for nest cameras, where a sitting bird is what one came for."""

    time_from: Literal["camera", "mtime"] = "camera"
    """Where files without a time get one: nowhere, or from when they were last changed."""

    repeat_days: int = Field(5, ge=1)
    """Different days on which something must stand still to be left out: birds sit for hours, on nests for days."""

    gap_days: int = Field(7, ge=1)
    """Days in a row without any file after which a camera is thought to have stood still."""
