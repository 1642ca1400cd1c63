"""`report/`: a page that shows what was found, and opens from the disk, without network; see `static/index.html`.

Its numbers are those of events.csv, effort.csv and results.csv: the same records, threshold and rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from detector.base.files import write_bytes
from detector.base.version import __version__
from detector.decisions.decide import audit_words
from detector.exports.names import FileNames
from detector.exports.pictures.blurring import PEOPLE
from detector.exports.pictures.media_files import PictureFormat, make_pictures
from detector.exports.source import ExportOptions, ExportSource
from detector.report.events import EventColumns
from detector.report.gallery import Choice, Gallery
from detector.report.names import Names, order_of, translations
from detector.report.pictures import COLUMNS, EarlierPictures, make_report_pictures, pictures_there
from detector.report.places import coordinates, count_events, places, rate
from detector.report.quality import Quality
from detector.report.scripts import Scripts
from detector.report.second_look import SecondLook
from detector.report.totals import Totals
from detector.species.calibration import Calibration
from detector.species.names.kinds import Kinds
from detector.types import Kind

FOLDER = "report"
PAGE = "index.html"


def write_report(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write report/index.html with its data and pictures."""
    report = folder / FOLDER
    every = Choice()
    rows = sum(len(every(record, options.score_threshold)) for record in source.media())
    choice = Choice.of(rows)
    pictures = report / "pictures"
    form = PictureFormat(
        f"{FOLDER}/pictures",
        make_report_pictures,
        COLUMNS,
        ("photo", "video"),
        choose=choice,
        blur=PEOPLE,
        are_there=EarlierPictures(pictures),
    )
    make_pictures(source, folder, options, form)
    scripts = Scripts(report / "data")
    scripts.write("summary", _Survey(source, options, report).write(scripts, choice, rows))
    scripts.remove_others()
    _copy_page(report)
    return [report / PAGE]


class _Survey:
    """One pass over a store, from which all of the page's numbers come."""

    def __init__(self, source: ExportSource, options: ExportOptions, report: Path) -> None:
        self.source, self.options, self.report = source, options, report
        self.names = Names()
        self.quality = Quality()
        self.file_names = FileNames(source.run.cards)
        self.totals = Totals(self.file_names)

    def write(self, scripts: Scripts, choice: Choice, rows: int) -> dict[str, Any]:
        """Write events and gallery; returns the summary."""
        source, crosswalk = self.source, self.source.crosswalk()
        ids = {record.deployment_id for record in source.media()}
        listed = places(source, ids)
        place_of = {place["id"]: index for index, place in enumerate(listed)}
        events = EventColumns(self.names, place_of, coordinates(listed))
        for event in source.events():
            events.add(event)
        count_events(listed, source.events())
        gallery = Gallery(scripts, self.file_names, pictures_there(self.report / "pictures"))
        second_look = SecondLook(crosswalk, self._kinds())
        self._read(gallery, second_look, place_of, choice)
        counts = events.write(scripts) | gallery.write()
        order = order_of(self.names.list)
        return {
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            "options": {
                "threshold": self.options.score_threshold,
                "name_threshold": source.run.decisions.get("name_threshold"),
                "independence_min": source.run.decisions.get("independence_min"),
                "blur": self.options.blur or PEOPLE,
            },
            "models": self._models(),
            "chunks": counts | {"all_rows": rows},
            "audit": None if source.run.audit is None else audit_words(source.run.audit),
            "totals": self.totals.as_json() | _effort(listed),
            "places": listed,
            "names": [name.as_json() for name in self.names.list],
            "order": order,
            "rates": [rate(name.events, _active(listed)) for name in self.names.list],
            "translations": translations(gallery.candidates, crosswalk),
            "second_look": second_look.as_json() if source.run.species is not None else None,
            "calibration": self._calibration(),
            "quality": self.quality.as_json(),
        }

    def _read(self, gallery: Gallery, second_look: SecondLook, place_of: dict[str, int], choice: Choice) -> None:
        threshold = self.options.score_threshold
        for record in self.source.media():
            shown = record.shown(threshold)
            self.totals.add(record, shown)
            for found in shown:
                name = self.names.index(found)
                self.names.list[name].see(found)
                second_look.add(found, name)
            for found in Choice()(record, threshold):  # "nothing" is said of boxes that were never shown, too
                self.quality.add(found)
            chosen = choice(record, threshold)
            if chosen:
                gallery.add_file(record)
            for found in chosen:
                name = self.names.index(found)
                row = gallery.add(record, found, name, place_of[record.deployment_id])
                if row.picture and not found.suppressed:
                    self.names.list[name].consider(found.event_id or found.media_id, row)

    def _kinds(self) -> Kinds:
        given = self.source.run.decisions.get("kinds")
        words = given.items() if isinstance(given, dict) else ()
        return Kinds(self.source.crosswalk(), {str(label): Kind(kind) for label, kind in words})

    def _models(self) -> dict[str, Any]:
        run = self.source.run
        return {
            "detector": run.detector and {"name": run.detector.name, "categories": len(run.detector.categories)},
            "species": run.species and {"name": run.species.name, "classes": len(run.species.classes)},
            "priors": len(priors) if isinstance(priors := run.decisions.get("priors"), list) else 0,
            "versions": run.versions,
        }

    def _calibration(self) -> dict[str, Any] | None:
        path = self.source.run.decisions.get("calibration")
        if not isinstance(path, str) or not Path(path).is_file():
            return None
        fitted = Calibration.read(Path(path))
        return fitted.model_dump(mode="json", exclude={"classifier_sha256"}) | {"file": Path(path).name}


def _active(listed: Iterable[dict[str, Any]]) -> int:
    return sum(place.get("active_days", 0) for place in listed)


def _effort(listed: list[dict[str, Any]]) -> dict[str, Any]:
    starts = sorted(place["start"] for place in listed if place.get("start"))
    ends = sorted(place["end"] for place in listed if place.get("end"))
    return {
        "days": sum(place.get("days", 0) for place in listed),
        "active_days": _active(listed),
        "start": starts[0] if starts else None,
        "end": ends[-1] if ends else None,
    }


def _copy_page(report: Path) -> None:
    """The page itself, which is the same for all stores; last, so that it never opens on half of its data."""
    static = resources.files("detector.report") / "static"
    for part in ("style", "app"):
        for file in sorted((static / part).iterdir(), key=lambda each: each.name):
            write_bytes(report / part / file.name, file.read_bytes(), durable=False)
    write_bytes(report / PAGE, (static / PAGE).read_bytes())
