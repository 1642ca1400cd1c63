"""`run.json`: what a store was made from. Its sections are frozen pydantic models, written whole."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from detector.config import Section
from detector.store.schema import VERSION


class CardEntry(Section):
    """A card: an input folder."""

    root: str
    """Where the card was last seen."""

    inputs: list[str] = Field(default_factory=list)
    """The files or folders under the root that were asked for; empty: all."""


class DetectorEntry(Section):
    """The detector whose boxes the facts hold."""

    name: str
    """File name, `coco`, or the detector that another tool's file names."""

    sha256: str | None = None
    """Of the file of weights; null where the boxes came from another tool."""

    categories: list[str] = Field(default_factory=list)
    """Names of the labels, in the order of label_scores."""


class SpeciesEntry(Section):
    """The classifier whose logits count."""

    name: str
    """File name or published name."""

    sha256: str | None = None
    """Of the file of weights."""

    classes: list[str] = Field(default_factory=list)
    """Names of the classes, in the order of the logits."""

    overlay: str | None = None
    """Folder under species/ that holds its logits; null: they are in the facts."""

    size: tuple[int, int] = (384, 384)
    """(height, width) of the crops that it sees, pixels."""


class RunFile(Section):
    """The whole of run.json."""

    version: int = VERSION
    """Of the store's layout."""

    cards: dict[str, CardEntry] = Field(default_factory=dict)
    """Card id to card."""

    detector: DetectorEntry | None = None
    """Null before the first run."""

    species: SpeciesEntry | None = None
    """Null: birds are not named."""

    options: dict[str, object] = Field(default_factory=dict)
    """Options of `annotate` that decide what the models saw; a run with others is refused."""

    decisions: dict[str, object] = Field(default_factory=dict)
    """Options of the last `decide`; one without options repeats it."""

    versions: dict[str, str] = Field(default_factory=dict)
    """Of Hoopoe, torch and torchvision."""


def run_file_path(folder: Path) -> Path:
    """Where the run.json of a store is."""
    return folder / "run.json"
