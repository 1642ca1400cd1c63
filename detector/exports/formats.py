"""The formats by name; their modules are imported only when they are asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from backbones.errors import ConfigError

if TYPE_CHECKING:
    from detector.exports.parted.parts import Parts
    from detector.exports.source import ExportOptions, ExportSource

Write = Callable[["ExportSource", Path, "ExportOptions"], list[Path]]


@dataclass(frozen=True)
class Format:
    """A format: what it writes, and the function that writes it into a folder and returns the files to look at.

    One that `counts` has events, birds at once or blanks, which depend on the decisions' own threshold.
    One of `pictures` reads the cards again, which takes long: it is made only when somebody asks for it.
    One with `parts`, a class, can be written slice by slice by a cluster; see `parted.parts`.
    """

    summary: str
    module: str
    function: str
    writes: str
    counts: bool = False
    pictures: bool = False
    parts: str | None = None

    def load(self) -> Write:
        """The function."""
        return getattr(self._module(), self.function)

    def load_parts(self) -> Parts:
        """The format in slices."""
        assert self.parts is not None
        return getattr(self._module(), self.parts)()

    def _module(self) -> ModuleType:
        return importlib.import_module(f".{self.module}", "detector.exports")


FORMATS: dict[str, Format] = {
    "megadetector": Format(
        "results.json for Timelapse and MegaDetector's tools",
        "megadetector",
        "write_megadetector",
        "results.json",
        parts="MegaDetectorParts",
    ),
    "csv": Format(
        "results.csv (a row a detection) and files.csv (a row a file)",
        "tables.csv_tables",
        "write_csv",
        "results.csv",
        counts=True,
        parts="CsvParts",
    ),
    "xlsx": Format(
        "results.xlsx, the same as an Excel workbook", "tables.xlsx", "write_xlsx", "results.xlsx", counts=True
    ),
    "events": Format(
        "events.csv and effort.csv, also for camtrapR", "tables.events", "write_events", "events.csv", counts=True
    ),
    "coco": Format("coco.json", "coco", "write_coco", "coco.json"),
    "coco-camera-traps": Format(
        "coco-camera-traps.json", "coco_camera_traps", "write_coco_camera_traps", "coco-camera-traps.json"
    ),
    "camtrap-dp": Format(
        "camtrap-dp/, a Camtrap DP 1.0.2 package",
        "camtrap_dp.package",
        "write_camtrap_dp",
        "camtrap-dp",
        counts=True,
        parts="CamtrapParts",
    ),
    "label-studio": Format(
        "label-studio.json, tasks with predictions", "label_studio.tasks", "write_label_studio", "label-studio.json"
    ),
    "crops": Format(
        "crops/, each detection cut out, by taxon", "pictures.crops", "write_crops", "crops", pictures=True
    ),
    "images": Format("images/, photos with their boxes", "pictures.images", "write_images", "images", pictures=True),
    "videos": Format("videos/, videos with their boxes", "pictures.videos", "write_videos", "videos", pictures=True),
    "report": Format(  # a room of its own, above this one: it is only named here
        "report/, a page that shows it all",
        ".report.report",
        "write_report",
        "report/index.html",
        counts=True,
        pictures=True,
    ),
}
DEFAULT_FORMATS = ("megadetector", "csv", "events")


def parse_formats(text: str) -> tuple[str, ...]:
    """The formats of a list with commas, each once, as `--format` and `--export` take it.

    Raises:
        ConfigError: If one is not known; names the nearest that is.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    return check_formats(names)


def check_formats(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        ConfigError: If one is not known; names the nearest that is.
    """
    for name in names:
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(f"there is no format '{name}'", hint=f"{hint}there are {', '.join(FORMATS)}")
    return tuple(dict.fromkeys(names))
