"""`run.json`: what a store was made from. Its sections are frozen pydantic models, written whole."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from detector.base.names import same_name
from detector.config import Section
from detector.store.schema import VERSION


class CardEntry(Section):
    """A card: an input folder."""

    root: str
    """Where the card was last seen."""

    inputs: list[str] = Field(default_factory=list)
    """The files or folders under the root that were asked for; empty: all."""

    prefix: str | None = None
    """What the names of its files begin with in exports; null: told from all roots, as before there were prefixes."""

    label: str | None = None
    """What a person calls it; null: its id."""


class DetectorEntry(Section):
    """The detector whose boxes the facts hold."""

    name: str
    """File name, `coco`, or the detector that another tool's file names."""

    sha256: str | None = None
    """Of the file of weights; null where the boxes came from another tool."""

    source: str | None = None
    """Where the file was last, or `coco`; null: not known."""

    categories: list[str] = Field(default_factory=list)
    """Names of the labels, in the order of label_scores."""


class SpeciesEntry(Section):
    """The classifier whose logits count."""

    name: str
    """File name or published name."""

    sha256: str | None = None
    """Of the file of weights."""

    source: str | None = None
    """Where the file was last, or the published name; null: not known."""

    classes: list[str] = Field(default_factory=list)
    """Names of the classes, in the order of the logits."""

    overlay: str | None = None
    """Folder under species/ that holds its logits; null: they are in the facts."""

    size: tuple[int, int] = (384, 384)
    """(height, width) of the crops that it sees, pixels."""


class AuditEntry(Section):
    """What the detector found in a random sample of the pictures that were passed over."""

    passed_over: int
    """Pictures (photos and frames of videos) that were passed over on the cards of that run: what the sample is of."""

    sampled: int
    """Pictures of the sample that could be read."""

    with_birds: int
    """Of these, pictures with what is, or may be, a bird."""

    seen_with_birds: int
    """The same among the pictures that were not passed over."""

    missed: float | None
    """Share of all pictures with birds that were passed over, estimated; null: no bird was found anywhere."""

    low: float | None
    """Lower end of its interval."""

    high: float | None
    """Upper end of its interval."""

    confidence: float
    """Of the interval: Clopper and Pearson's, exact for a random sample, of the share in the sample."""

    score_threshold: float
    """Score from which boxes counted."""


class ExportEntry(Section):
    """A format that was exported."""

    options: dict[str, object] = Field(default_factory=dict)
    """Those that were given, by their names in `ExportOptions`."""

    decided: str | None = None
    """Id of the decisions that it shows."""


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

    first_pass: DetectorEntry | None = None
    """The detector that looks first, at what the other then need not; null: there is none."""

    options: dict[str, object] = Field(default_factory=dict)
    """Options of `annotate` that decide what the models saw; a run with others is refused."""

    decisions: dict[str, object] = Field(default_factory=dict)
    """Options of the last `decide`; one without options repeats it."""

    decided: str | None = None
    """Id of the decisions that are there; null: none yet, or of a time before there were ids."""

    audit: AuditEntry | None = None
    """What the last look at a sample of what was passed over came to; null: there was none."""

    exports: dict[str, ExportEntry] = Field(default_factory=dict)
    """By format, the last export of each."""

    versions: dict[str, str] = Field(default_factory=dict)
    """Of Hoopoe, torch and torchvision."""

    @property
    def labels(self) -> dict[str, str]:
        """Card id -> what a person calls it, of the cards that have another name than their id."""
        return {card: entry.label for card, entry in self.cards.items() if entry.label is not None}

    def card_id(self, name: str) -> str | None:
        """The id of the card that a person names by id or label, in whatever Unicode form; None: there is none."""
        ids = {label: card for card, label in self.labels.items()} | {card: card for card in self.cards}
        found = same_name(name, ids)
        return None if found is None else ids[found]


def run_file_path(folder: Path) -> Path:
    """Where the run.json of a store is."""
    return folder / "run.json"
