"""What a format is given: the records of a store, read as often as it likes, and the user's wishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from detector.base.objects.address import Place
from detector.exports.pictures.blurring import Blur
from detector.footage.cards import reroot
from detector.species.names.crosswalk import Crosswalk, load_crosswalk
from detector.store import records_reader
from detector.store.files import open_parquet
from detector.store.layout import decisions_folder
from detector.store.presence import absent_cards
from detector.store.records import DeploymentRecord, EffortRecord, EventRecord, MediaRecord, RepeatRecord
from detector.store.run_file import RunFile
from detector.store.run_json import load_run


@dataclass(frozen=True)
class ExportSource:
    """A decided store, or what stands for it in a test. Each call starts a new pass over the records.

    Attributes:
        run: The store's run.json.
        media: All media items, as `store.records_reader.read_media` sorts them.
        events: All independent events, by deployment and start.
        deployments: All deployments.
        effort: When the cameras worked.
        media_count: How many media items there are; None where that is not known.
        absent: See `absent_cards`: which cards are not at their roots, and why.
        repeats: What stands still in many pictures, for a person to judge.
    """

    run: RunFile
    media: Callable[[], Iterator[MediaRecord]]
    events: Callable[[], Iterator[EventRecord]]
    deployments: Callable[[], Iterator[DeploymentRecord]]
    effort: Callable[[], Iterator[EffortRecord]]
    media_count: int | None = None
    absent: Callable[[Mapping[str, str]], dict[str, str]] = lambda _: {}
    repeats: Callable[[], Iterator[RepeatRecord]] = lambda: iter(())

    @property
    def score_threshold(self) -> float:
        """From which score up the store's decisions counted detections."""
        value = self.run.decisions.get("score_threshold")
        return float(value) if isinstance(value, (int, float)) else ExportOptions.score_threshold

    def crosswalk(self) -> Crosswalk:
        """The names of taxa by which the store was decided; the shipped ones where the user's table is gone."""
        table = self.run.decisions.get("taxonomy")
        return load_crosswalk(Path(table) if isinstance(table, str) and Path(table).is_file() else None)

    @classmethod
    def of(cls, folder: Path) -> ExportSource:
        """The records of a decided store.

        Raises:
            DataError: There is no store, or it has no decisions.
        """
        run = load_run(folder)
        next(records_reader.read_media(folder), None)  # says what is missing before any file is begun
        with open_parquet(decisions_folder(folder) / "media.parquet", "run `hoopoe decide` again") as table:
            media_count = table.metadata.num_rows
        return cls(
            run=run,
            media=partial(records_reader.read_media, folder),
            events=partial(records_reader.read_events, folder),
            deployments=partial(records_reader.read_visits, folder),
            effort=partial(records_reader.read_effort, folder),
            media_count=media_count,
            absent=partial(_absent, folder, run.labels),
            repeats=partial(records_reader.read_repeats, folder),
        )


def _absent(folder: Path, labels: Mapping[str, str], roots: Mapping[str, str]) -> dict[str, str]:
    own = {card: root for card, root in roots.items() if card not in labels.values()}
    absent = absent_cards(folder, own)
    return absent | {labels[card]: reason for card, reason in absent.items() if card in labels}


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True)
class ExportOptions:
    """What the user may wish of an export.

    Attributes:
        score_threshold: Detections are shown from this score of the detector up, 0..1.
        roots: Card id to the folder or address where the card is now, in place of that in run.json.
        label_studio_prefix: What Label Studio's address of a file begins with, before its path.
        title: Of the project, for Camtrap DP.
        contributor: Who made the data, for Camtrap DP.
        data_license: Of the tables, by its SPDX or Open Definition id, for Camtrap DP.
        media_license: Of the photos and videos.
        blur: What is made unrecognisable in pictures; None: people in the report, and nothing elsewhere.
        notify: Takes a sentence on what an export left out, and why.
        fault: Takes a sentence on a file of which no picture could be made.
    """

    score_threshold: float = 0.2
    roots: Mapping[str, Place] = field(default_factory=dict)
    label_studio_prefix: str = "/data/local-files/?d="
    title: str = "Camera-trap survey"
    contributor: str = "not stated"
    data_license: str = "notspecified"
    media_license: str = "notspecified"
    blur: Blur | None = None
    notify: Callable[[str], None] = _ignore
    fault: Callable[[str], None] = _ignore

    def card_roots(self, run: RunFile) -> dict[str, str]:
        """Card id, and label, to the folder where the card is now, of all cards of a run.

        Raises:
            ConfigError: `roots` names a card that the run does not know.
        """
        asked = {run.card_id(card) or card: root for card, root in self.roots.items()}
        roots = reroot({card: entry.root for card, entry in run.cards.items()}, asked)
        return roots | {label: roots[card] for card, label in run.labels.items()}
