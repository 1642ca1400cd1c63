"""Programs that show runs side by side: TensorBoard, and MLflow or Weights & Biases, each an extra.

Where they keep their runs, and whether they are online, is said by their own environment variables.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from backbones.errors import ConfigError
from detector.base.files import write_bytes
from detector.base.json_text import parse_json
from detector.base.reporting import warn
from detector.training.records.run_folder import RunFolder

TrackerName = Literal["mlflow", "wandb"]
Ending = Literal["finished", "stopped", "failed"]
PROJECT = "hoopoe"
HINTS: dict[TrackerName, str] = {
    "mlflow": "set MLFLOW_TRACKING_URI, such as sqlite:///mlflow.db, to where runs are kept; or set train.trackers=[]",
    "wandb": "run `wandb login`, or set WANDB_MODE=offline and `wandb sync` later; or set train.trackers=[]",
}
LONGEST_SETTING = 500  # characters; what MLflow's older servers take


class Tracker(Protocol):
    """Where the figures of a run go."""

    id: str

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Note figures at a step."""

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Keep a picture, RGB (H, W, 3), at a step."""

    def close(self, files: Sequence[Path], ending: Ending) -> None:
        """Keep some of the run's files, and say how it ended."""


class TensorBoard:
    """TensorBoard's files in the run's folder; a resumed run hides what was after its checkpoint."""

    id = ""

    def __init__(self, folder: RunFolder, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder.tensorboard), purge_step=step + 1 if step else None)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        self.writer.add_image(name, picture, step, dataformats="HWC")
        self.writer.flush()

    def close(self, files: Sequence[Path], ending: Ending) -> None:
        self.writer.close()


class Mlflow:
    """A run of MLflow, by its client, so that a program that uses MLflow itself is left alone."""

    def __init__(self, folder: RunFolder, settings: Mapping[str, Any], known: str | None) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        for name in ("mlflow", "alembic"):  # its greetings, and those of its database
            logging.getLogger(name).setLevel(logging.WARNING)
        self.client, self.metric = MlflowClient(), Metric
        if known is not None:
            self.id = known
            self.client.update_run(known, status="RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self.client.get_experiment_by_name(name)
        number = self.client.create_experiment(name) if experiment is None else experiment.experiment_id
        self.id = self.client.create_run(number, run_name=folder.root.resolve().name).info.run_id
        params = [Param(key, str(value)[:LONGEST_SETTING]) for key, value in settings.items()]
        for start in range(0, len(params), 100):  # the most at once
            self.client.log_batch(self.id, params=params[start : start + 100])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [self.metric(name, float(value), now, step) for name, value in values.items()]
        self.client.log_batch(self.id, metrics=metrics)

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        self.client.log_image(self.id, picture, artifact_file=f"{name}/{step:08}.png")

    def close(self, files: Sequence[Path], ending: Ending) -> None:
        for path in files:
            self.client.log_artifact(self.id, str(path))
        states = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
        self.client.set_terminated(self.id, states[ending])


class Wandb:
    """A run of Weights & Biases; offline, it lies in the run's folder until `wandb sync`."""

    def __init__(self, folder: RunFolder, settings: Mapping[str, Any], known: str | None) -> None:
        import wandb

        self.image = wandb.Image
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.root.resolve().name,
            id=known,
            resume="allow",
            dir=str(folder.root),
            config=dict(settings),
            settings=wandb.Settings(console="off", silent=True),
        )
        self.id = self.run.id
        # by steps of training: a resumed run goes back to its checkpoint, and their own count never goes back
        self.run.define_metric("*", step_metric="step")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log({**values, "step": step})

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        self.run.log({name: self.image(picture), "step": step})

    def close(self, files: Sequence[Path], ending: Ending) -> None:
        for path in files:
            shutil.copy(path, Path(self.run.dir) / f"{PROJECT}_{path.name}")  # it has a config.yaml of its own there
        self.run.finish(exit_code=int(ending != "finished"))


KINDS: dict[TrackerName, Callable[[RunFolder, Mapping[str, Any], str | None], Tracker]] = {
    "mlflow": Mlflow,
    "wandb": Wandb,
}


def refuse_missing_trackers(names: Iterable[TrackerName]) -> None:
    """Refuse to start a run whose trackers are not installed.

    Raises:
        ConfigError: One of them is not.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            hint = f"pip install hoopoe[{name}]"
            raise ConfigError(f"{name} is not installed", where="train.trackers", hint=hint)


def open_trackers(names: Iterable[TrackerName], folder: RunFolder, settings: Mapping[str, Any]) -> list[Tracker]:
    """Begin a run in each of them, or go on with the one that trackers.json names; where one fails, none is left open.

    Args:
        names: Which ones.
        folder: The run's.
        settings: The configuration by dotted keys.

    Raises:
        ConfigError: One of them cannot be reached.
    """
    path = folder.root / "trackers.json"
    content = parse_json(path) if path.exists() else {}
    known = content if isinstance(content, dict) else {}
    trackers: list[Tracker] = []
    for name in names:
        folder.root.mkdir(parents=True, exist_ok=True)
        try:
            tracker = KINDS[name](folder, settings, known.get(name))
        except Exception as error:
            Trackers(trackers).close([], "failed")
            problem = f"{name} cannot keep this run ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
            raise ConfigError(problem, where="train.trackers", hint=HINTS[name]) from error
        known[name] = tracker.id
        trackers.append(tracker)
    if trackers:
        write_bytes(path, (json.dumps(known, indent=1) + "\n").encode())
    return trackers


class Trackers:
    """All of a run, as one. The first failure of one, such as a lost network, is told, and training goes on without it.

    Args:
        trackers: What `open_trackers` gives, and TensorBoard.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = list(trackers)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Note figures at a step."""
        self._each(lambda tracker: tracker.scalars(step, values))

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Keep a picture, RGB (H, W, 3), at a step."""
        self._each(lambda tracker: tracker.picture(step, name, picture))

    def close(self, files: Sequence[Path], ending: Ending) -> None:
        """Keep some of the run's files, and say how it ended."""
        self._each(lambda tracker: tracker.close(files, ending))
        self.trackers = []

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for tracker in list(self.trackers):
            try:
                act(tracker)
            except Exception as error:  # of another program, for whatever reason: hours of training are worth more
                if isinstance(tracker, TensorBoard):
                    raise  # a full disk, which stops the run's own files too
                self.trackers.remove(tracker)
                name = type(tracker).__name__
                warn(f"{name} took no more ({type(error).__name__}: {str(error)[:200]}); the run goes on without it")
