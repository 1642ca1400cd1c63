"""The rows of a Camtrap DP package, made of the records of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from detector.base.times import safe_add
from detector.base.version import __version__
from detector.exports.camtrap_dp.columns import (
    CAPTURE_METHODS,
    DETAILS,
    FEATURE_OF_KIND,
    allowed_path,
    mediatype_of,
)
from detector.exports.camtrap_dp.metadata import describe_package
from detector.exports.names import FileNames
from detector.exports.pictures.frames import box_inside
from detector.exports.privacy import may_be_a_person
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import rounded, with_offset
from detector.exports.taxa import candidates_of, scientific_taxon
from detector.species.names.kinds import kind_of_label
from detector.store.records import DeploymentRecord, DetectionRecord, EventRecord, MediaRecord
from detector.store.reviews.programs.camtrap_dp import AS_WRITTEN, as_written
from detector.store.run_file import RunFile
from detector.types import Kind, TaxonName

Row = dict[str, object]
_TYPES: dict[str, str] = {Kind.PERSON: "human", Kind.VEHICLE: "vehicle", Kind.UNDECIDED: "unknown"}
_DIGITS = 5


@dataclass(frozen=True)
class PackageGathered:
    """What the package must know of the files of a slice.

    Attributes:
        taxa: The taxa that are named there, by name.
        reviewers: Who named what is seen in events, by event.
        rows: How many rows there are, by table.
    """

    taxa: Mapping[str, TaxonName]
    reviewers: Mapping[str, str]
    rows: Mapping[str, int]


@dataclass
class PackageRows:
    """Makes the rows, and gathers what the descriptor says of all of them."""

    run: RunFile
    options: ExportOptions
    deployments: dict[str, DeploymentRecord] = field(default_factory=dict)
    capture_methods: dict[str, str] = field(default_factory=dict)  # by deployment
    taxa: dict[str, TaxonName] = field(default_factory=dict)
    reviewers: dict[str, str] = field(default_factory=dict)  # of events

    def __post_init__(self) -> None:
        self.names = FileNames(self.run.cards)
        models = [f"Hoopoe {__version__}"]
        models += [f"first pass {self.run.first_pass.name}"] if self.run.first_pass else []
        models += [f"detector {self.run.detector.name}"] if self.run.detector else []
        models += [f"classifier {self.run.species.name}"] if self.run.species else []
        self.machine = " | ".join(models)
        first = self.run.first_pass.categories if self.run.first_pass else [Kind.PERSON]
        self.all_know_people = Kind.PERSON in map(kind_of_label, first)

    def deployment_rows(self, source: ExportSource) -> Iterator[Row]:
        """Rows of all deployments whose place and time are known."""
        for record in source.deployments():
            start, end = _aware(record.start, record.start_offset_min), _aware(record.end, record.end_offset_min)
            if record.latitude is None or record.longitude is None or start is None or end is None:
                continue
            self.deployments[record.visit_id] = record
            self.capture_methods[record.visit_id] = self._capture_method(record)
            yield {
                "featureType": FEATURE_OF_KIND.get(record.kind or ""),
                "locationID": record.deployment_id,  # without one, readers make a station of `locationName`, or fail
                **self._details(record),
                "deploymentID": record.visit_id,
                "locationName": record.location_name,
                "latitude": record.latitude,
                "longitude": record.longitude,
                "deploymentStart": start,
                "deploymentEnd": end,
                "cameraModel": record.camera_model,
            }

    def _details(self, record: DeploymentRecord) -> Row:
        details: Row = {}
        for name, text in record.details:
            if name not in DETAILS or not text:
                continue
            value = DETAILS[name](text)
            if value is None:
                self.options.notify(f"camtrap-dp leaves out {name} '{text}' of {record.visit_id}: not allowed there")
            else:
                details[name] = value
        return details

    def _capture_method(self, record: DeploymentRecord) -> str:
        method = dict(record.details).get("captureMethod", "")
        if method and method not in CAPTURE_METHODS:
            self.options.notify(f"camtrap-dp leaves out captureMethod '{method}' of {record.visit_id}: not allowed")
        return method if method in CAPTURE_METHODS else CAPTURE_METHODS[0]

    def reason_against(self, record: MediaRecord) -> str | None:
        """Why a file cannot be in the package; None if it can."""
        if record.timestamp is None:
            return "its time is unknown"
        if record.outside:
            return "it was taken outside the period that the table of deployments states"
        if record.utc_offset_min is None:
            return "the time zone of its deployment is unknown"
        if record.visit_id not in self.deployments:
            return "the place of its deployment is unknown"
        if not allowed_path(self.names.of(record)):
            return "Camtrap DP does not take its name"
        return None

    def media_row(self, record: MediaRecord) -> Row:
        """The row of a file in media.csv."""
        comments = [text for text in (record.failure and f"cannot be read: {record.failure}", record.warning) if text]
        return {
            "mediaID": record.media_id,
            "deploymentID": record.visit_id,
            "captureMethod": self.capture_methods[record.visit_id],
            "timestamp": _aware(record.timestamp, record.utc_offset_min),
            "filePath": self.names.of(record),
            "filePublic": "true" if self._is_public(record) else "false",
            "fileName": record.path.rpartition("/")[2],
            "fileMediatype": mediatype_of(record.path, record.media_type),
            "mediaComments": "; ".join(comments),
        }

    def observation_rows(self, record: MediaRecord) -> Iterator[Row]:
        """The rows of a file in observations.csv; none of one that could not be read."""
        if record.failure is not None:
            return
        shown = record.shown(self.options.score_threshold)
        if not shown:
            moment = _aware(record.timestamp, record.utc_offset_min)
            yield {
                "observationID": f"{record.media_id}_none",
                "deploymentID": record.visit_id,
                "mediaID": record.media_id,
                "eventStart": moment,
                "eventEnd": moment,
                "observationLevel": "media",
                "observationType": "blank" if record.frames else "unclassified",
                **self._blank_by(record),
                **({"observationComments": f"passed over: {record.passed_over}"} if record.passed_over else {}),
            }
        for found in shown:
            yield self._box_row(record, found)

    def _box_row(self, record: MediaRecord, found: DetectionRecord) -> Row:
        if found.named_by and found.event_id:
            self.reviewers[found.event_id] = found.named_by
        moment = _aware(record.timestamp, record.utc_offset_min, found.time_s)
        probability = found.score if found.confidence is None else found.confidence
        row: Row = {
            "observationID": f"{record.media_id}_{found.frame_number}_{found.box}",
            "deploymentID": record.visit_id,
            "mediaID": record.media_id,
            "eventID": found.event_id,
            "eventStart": moment,
            "eventEnd": moment,
            "observationLevel": "media",
            "observationType": _TYPES.get(found.kind, "animal"),
            "scientificName": self._name(found),
            "count": found.count or None,  # another box of the frame may stand for the same bird
            "lifeStage": found.life_stage,
            "sex": found.sex,
            **_box(found),
            **self._classified_by(found.named_by, probability, found.reviewed_at),
            "observationComments": found.display_name,
        }
        return {**row, "observationTags": _tags(found, row)}

    def event_row(self, event: EventRecord) -> Row:
        """The row of an independent event in observations.csv."""
        return {
            "observationID": f"event_{event.event_id}",
            "deploymentID": event.visit_id,
            "eventID": event.event_id,
            "eventStart": _aware(event.start, event.utc_offset_min),
            "eventEnd": _aware(event.end, event.end_offset_min),
            "observationLevel": "event",
            "observationType": _TYPES.get(event.kind, "animal"),
            "scientificName": self._name(event),
            "count": event.count,
            **self._classified_by(self.reviewers.get(event.event_id), event.confidence),
            "observationComments": event.display_name,
        }

    def gathered(self, rows: Mapping[str, int]) -> PackageGathered:
        """What was gathered until now, with the numbers of rows."""
        return PackageGathered(self.taxa, self.reviewers, rows)

    def gather(self, found: PackageGathered) -> None:
        """Take what was gathered of the next files."""
        for name, taxon in found.taxa.items():
            self._know(name, taxon)
        self.reviewers.update(found.reviewers)

    def _know(self, name: str, taxon: TaxonName) -> None:
        if self.taxa.setdefault(name, taxon).english_name is None:
            self.taxa[name] = taxon  # events do not know common names, detections may

    def _name(self, record: DetectionRecord | EventRecord) -> str | None:
        taxon = scientific_taxon(record)
        if taxon is None or taxon.name is None:
            return None
        self._know(taxon.name, taxon)
        return taxon.name

    def _blank_by(self, record: MediaRecord) -> Row:
        """Who looked at a file in which nothing is shown."""
        if record.blank_by:
            return self._classified_by(record.blank_by, None, record.blank_at)
        return {"classificationMethod": "machine", "classifiedBy": self.machine} if record.frames else {}

    def _classified_by(self, reviewer: str | None, probability: float | None, said_at: datetime | None = None) -> Row:
        if reviewer:
            moment = with_offset(said_at, 0)
            return {"classificationMethod": "human", "classifiedBy": reviewer, "classificationTimestamp": moment}
        chance = None if probability is None else min(max(float(probability), 0.0), 1.0)
        return {
            "classificationMethod": "machine",
            "classifiedBy": self.machine,
            "classificationProbability": rounded(chance, _DIGITS),
        }

    def _is_public(self, record: MediaRecord) -> bool:
        if record.failure is not None or not record.frames or (record.passed_over and self.run.first_pass is not None):
            return False  # nobody knows what it shows, or only a detector that need not know people
        if record.media_type == "video" and not self.all_know_people:
            return False  # of some frames likewise
        # however faintly, and also where repeats ruled it out; only a review can say that it is nobody
        return not any(
            may_be_a_person(found) and not (found.suppressed and found.reviewed_by) for found in record.detections
        )

    def describe(self) -> dict[str, object]:
        """The descriptor of all that was written."""
        known = self.deployments.values()
        places = [(one.latitude or 0.0, one.longitude or 0.0) for one in known]  # all have both
        days = [moment.date() for one in known for moment in (one.start, one.end) if moment is not None]
        methods = sorted(set(self.capture_methods.values())) or list(CAPTURE_METHODS[:1])
        return describe_package(self.options, methods, places, days, self.taxa.values())


def _aware(moment: datetime | None, utc_offset_min: int | None, later_s: float = 0.0) -> str | None:
    """%Y-%m-%dT%H:%M:%S%z; None where time or offset is unknown."""
    return None if utc_offset_min is None else with_offset(safe_add(moment, later_s), utc_offset_min)


def _box(found: DetectionRecord) -> Row:
    x, y, width, height = (round(side, _DIGITS) for side in box_inside(found))
    if width <= 0 or height <= 0:
        return {}  # nothing of it is in the picture, and the schema takes no box without area
    return {"bboxX": x, "bboxY": y, "bboxWidth": width, "bboxHeight": height}


def _tags(found: DetectionRecord, row: Row) -> str:
    tags = [f"candidate:{one.name} ({one.confidence:.3f})" for one in candidates_of(found)]
    tags += [f"class:{found.name}"] if found.name and not found.rank else []
    tags += [f"reason:{reason}" for reason in found.reasons]
    tags += ["needsReview:true"] if found.needs_review else []
    tags += ["partOfAnotherBox:true"] if found.nested else []
    tags += [f"boxBy:{found.box_by}"] if found.box_by else []
    tags += [f"confirmedBy:{found.reviewed_by}"] if found.reviewed_by and not found.named_by else []
    # so that what people change is told when the package comes back
    tags += [] if found.named_by else [f"{AS_WRITTEN}{as_written(row)}"]
    return " | ".join(tag.replace("|", "/") for tag in tags)
