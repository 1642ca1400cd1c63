"""What is kept of a run while it goes on: metrics.jsonl, trackers such as TensorBoard, curves and example pictures."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.files import write_bytes
from detector.plots.figures import save_figure
from detector.plots.files import save_image
from detector.plots.training_curves import plot_training_curves
from detector.training.records.run_folder import RunFolder
from detector.training.records.trackers import Ending, TensorBoard, Tracker, Trackers

AP_CURVES = {"AP": "AP", "AP50": "AP50"}
CURVES_EVERY_S = 30.0  # drawing takes half a second, which short epochs would spend again and again


class Recorder:
    """Writes the records of a run; a resumed one forgets those after its checkpoint, for they will come again.

    Args:
        folder: The run's.
        step: Steps done so far.
        trackers: Where its figures go beside TensorBoard.
        curves: The figures of evaluations that are drawn, and what they are called.
    """

    def __init__(
        self, folder: RunFolder, step: int, trackers: Sequence[Tracker] = (), curves: Mapping[str, str] = AP_CURVES
    ) -> None:
        self.folder, self.curves = folder, curves
        folder.root.mkdir(parents=True, exist_ok=True)
        self.records = [record for record in read_metrics(folder.metrics) if record["step"] <= step]
        write_bytes(folder.metrics, "".join(map(_line, self.records)).encode())
        self._drawn_at = time.monotonic()
        self.trackers = Trackers([TensorBoard(folder, step), *trackers])

    def training(self, step: int, values: Mapping[str, float]) -> None:
        """Note losses, learning rate and speed at a step."""
        self._append({"kind": "train", "step": step, **values}, "train")

    def evaluation(self, step: int, metrics: Mapping[str, Any], examples: NDArray[np.uint8] | None) -> None:
        """Note an evaluation (figures may be None), keep the example pictures, and draw the curves if that is due."""
        self._append({"kind": "evaluation", "step": step, **metrics}, "validation")
        if examples is not None:
            self.trackers.picture(step, "examples", examples)
            save_image(examples, self.folder.plots / "examples.png")
        if time.monotonic() - self._drawn_at > CURVES_EVERY_S:
            self.draw_curves()

    def draw_curves(self) -> None:
        """Draw `plots/curves.png` from all records."""
        train = [record for record in self.records if record["kind"] == "train"]
        evaluated = [record for record in self.records if record["kind"] == "evaluation"]
        figure = plot_training_curves(
            [record["step"] for record in train],
            [record["loss"] for record in train],
            [record["step"] for record in evaluated],
            {
                title: [math.nan if record[name] is None else record[name] for record in evaluated]
                for name, title in self.curves.items()
            },
        )
        save_figure(figure, self.folder.plots / "curves.png")
        self._drawn_at = time.monotonic()

    def close(self, ending: Ending) -> None:
        """Finish what trackers keep, and give them the configuration, the card and the curves."""
        files = (self.folder.config, self.folder.root / "model_card.md", self.folder.plots / "curves.png")
        self.trackers.close([path for path in files if path.exists()], ending)

    def _append(self, record: dict[str, Any], tag: str) -> None:
        self.records.append(record)
        with self.folder.metrics.open("a", encoding="utf-8") as file:
            file.write(_line(record))  # a line cut short by a kill is left out when it is read again
        numbers = {name: value for name, value in record.items() if isinstance(value, int | float) and name != "step"}
        self.trackers.scalars(record["step"], {f"{tag}/{name}": value for name, value in numbers.items()})


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics.jsonl; none if there is no such file."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:  # the last line of a killed run
            continue
    return records


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"
