"""camtrap-dp/: a Camtrap DP 1.0.2 package, the exchange format of GBIF and of camera-trap platforms.

A box is an observation of level media with count 1; a blank file has one of type blank, a file that no model has seen
one of type unclassified. An independent event is an observation of level event with its MaxN as count. Times carry
UTC offsets; of a box in a video it is that of the frame. Names by a machine are classified by detector and classifier,
those of a review by the person; the other candidates and what makes a name unsure are in observationTags.
classificationProbability is the probability that the name is right; where there is none, the detector's score of an
animal, human or vehicle. What may be no bird has no name. Files that may show a person, also by a label that nobody
knows, are not public, and neither are files that could not be read.

Boxes and events list the same birds twice, at two levels: use one of them. R's camtrapR takes both alike, so

    cams <- readcamtrapDP("camtrap-dp/datapackage.json", filter_observations = "animal")
    records <- cams$recordTable[cams$recordTable$observationLevel == "event", ]

for independent events with their counts, or "media" for boxes; a station of camtrapR is a locationID, which is the
deploymentID where the table of deployments gives none. Its column captureMethod (activityDetection, timeLapse) goes
into media.csv.

A deployment of the package is one camera's time at a place, as the standard has it: a row of the table of deployments.
A deployment of several rows (visits, or two cameras) becomes X, X-2, X-3 in the order of the rows, of one locationID.
All media and observations lie between deploymentStart and deploymentEnd: files outside a stated period are left out.

What has no time with an offset, or no place, cannot be in such a package: those files are listed in left-out.csv with
the reason, and are in no table. `hoopoe deployments` writes the table in which places and time zones are filled in.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from detector.exports.camtrap_dp.columns import DEPLOYMENT_COLUMNS, MEDIA_COLUMNS, OBSERVATION_COLUMNS
from detector.exports.camtrap_dp.rows import PackageGathered, PackageRows, Row
from detector.exports.files import whole_text
from detector.exports.json_stream import write_object
from detector.exports.parted.parts import WrittenSlice
from detector.exports.source import ExportOptions, ExportSource

LEFT_OUT_COLUMNS = ("file", "deployment", "reason")
_COLUMNS = {"media": MEDIA_COLUMNS, "observations": OBSERVATION_COLUMNS, "left-out": LEFT_OUT_COLUMNS}


def write_camtrap_dp(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write camtrap-dp/ with datapackage.json, the three tables, and left-out.csv."""
    return _write_package(source, folder, options, [None])


class CamtrapParts:
    """The same in slices."""

    texts = tuple(_COLUMNS)

    def write(self, source: ExportSource, options: ExportOptions, out: Mapping[str, TextIO]) -> PackageGathered:
        """The rows of a slice, and what the descriptor says of them."""
        package = PackageRows(source.run, options)
        for _ in package.deployment_rows(source):
            pass  # it knows them now
        tables = {name: _Table(text, _COLUMNS[name]) for name, text in out.items()}
        _write_media(source, package, tables)
        return package.gathered({name: table.rows for name, table in tables.items()})

    def join(
        self, source: ExportSource, folder: Path, options: ExportOptions, written: Iterator[WrittenSlice]
    ) -> list[Path]:
        """The package, of the rows of all slices."""
        return _write_package(source, folder, options, written)


def _write_package(
    source: ExportSource, folder: Path, options: ExportOptions, slices: Iterable[WrittenSlice | None]
) -> list[Path]:
    """Write the package of slices; None: the media of the source."""
    target = folder / "camtrap-dp"
    package = PackageRows(source.run, options)
    # all files take their places after the last row of the last of them
    with ExitStack() as stack:
        descriptor = stack.enter_context(whole_text(target / "datapackage.json"))
        deployments = _Table(stack.enter_context(whole_text(target / "deployments.csv")), DEPLOYMENT_COLUMNS)
        tables = {
            name: _Table(stack.enter_context(whole_text(target / f"{name}.csv")), columns)
            for name, columns in _COLUMNS.items()
        }
        for table in (deployments, *tables.values()):
            table.begin()
        for row in package.deployment_rows(source):
            deployments.add(row)
        for one in slices:
            if one is None:
                _write_media(source, package, tables)
                continue
            package.gather(one.state)
            for name, table in tables.items():
                one.copy(name, table.out)
                table.rows += one.state.rows[name]
        for event in source.events():
            if event.visit_id in package.deployments and event.utc_offset_min is not None:
                tables["observations"].add(package.event_row(event))
        write_object(descriptor, package.describe().items())
    left_out = tables["left-out"].rows
    if left_out:
        options.notify(
            f"camtrap-dp leaves out {left_out} of {left_out + tables['media'].rows} files, which "
            f"{target / 'left-out.csv'} lists with the reasons"
        )
    return [target / "datapackage.json"]


def _write_media(source: ExportSource, package: PackageRows, tables: Mapping[str, _Table]) -> None:
    """Write the rows of files and of what is seen in them."""
    for record in source.media():
        reason = package.reason_against(record)
        if reason is not None:
            file = package.names.of(record)
            tables["left-out"].add({"file": file, "deployment": record.deployment_id, "reason": reason})
            continue
        tables["media"].add(package.media_row(record))
        for row in package.observation_rows(record):
            tables["observations"].add(row)


class _Table:
    """A CSV file under fixed columns; cells that a row lacks stay empty."""

    def __init__(self, out: TextIO, columns: tuple[str, ...]) -> None:
        self.out, self.rows = out, 0
        self._writer = csv.DictWriter(out, columns)

    def begin(self) -> None:
        self._writer.writeheader()

    def add(self, row: Row) -> None:
        self._writer.writerow(row)
        self.rows += 1
