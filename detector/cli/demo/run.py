"""What the steps of `hoopoe demo` share: its folder, its sizes, and how they run other commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.errors import ConfigError
from detector.base.reporting.current import current
from detector.base.reporting.text_log import TextLog
from detector.cli.terminal.running import CommandFailedError as CommandFailedError
from detector.cli.terminal.running import run_command

if TYPE_CHECKING:
    from rich.console import Console

CONFIG = "demo_nano"
MARK = ".hoopoe-demo"  # in a folder that a demo made, and may clear


# commands after each other in one process, which imports what they need once
_LINE = """
import json, shlex, sys
from detector.cli.main import main

for words in json.loads(sys.argv[1]):
    print("$ hoopoe", shlex.join(word for word in words if word != "--quiet"))
    if code := main(words):
        sys.exit(code)
"""


@dataclass(frozen=True, eq=False)
class Demo:
    """One run of the demo.

    Args:
        root: Its folder.
        seed: Decides about scenes and weights.
        scenes: Scenes to train on; an eighth as many are drawn to evaluate on.
        classifier_epochs: Passes of the classifier over their birds.
        epochs: Passes of each detector over the scenes; None: as configured.
        console: Where it speaks.
    """

    root: Path
    seed: int
    scenes: int
    classifier_epochs: int
    epochs: int | None
    console: Console
    started: float = field(default_factory=time.monotonic)

    @property
    def data(self) -> Path:
        """The drawn data set."""
        return self.root / "data"

    @property
    def images(self) -> Path:
        """Its pictures."""
        return self.data / "images"

    @property
    def mammals(self) -> Path:
        """Crops of drawn mammals: train/ for the classifier, val/ to calibrate on."""
        return self.data / "not_a_bird"

    @property
    def species(self) -> Path:
        """The classifier."""
        return self.root / "species.safetensors"

    @property
    def classifier(self) -> Path:
        """The run that it comes from."""
        return self.root / "classifier"

    @property
    def sheet(self) -> Path:
        """Birds with what the classifier calls them."""
        return self.root / "contact_sheet.png"

    @property
    def start(self) -> Path:
        """The first weights of the detector that starts from the classifier."""
        return self.root / "start.safetensors"

    @property
    def detector(self) -> Path:
        """The run of the detector that starts from the classifier."""
        return self.root / "detector"

    @property
    def random_detector(self) -> Path:
        """The run of the one that starts from nothing."""
        return self.root / "detector_random"

    @property
    def evaluation(self) -> Path:
        """The evaluation of `detector`."""
        return self.root / "evaluation"

    @property
    def random_evaluation(self) -> Path:
        """The evaluation of `random_detector`."""
        return self.root / "evaluation_random"

    @property
    def calibration(self) -> Path:
        """How sure the classifier may be, what it weighs beside the detector, and what is a bird."""
        return self.root / "calibration.json"

    @property
    def card(self) -> Path:
        """The drawn card of two cameras."""
        return self.root / "card"

    @property
    def annotated(self) -> Path:
        """What was found on it."""
        return self.root / "annotated"

    def start_afresh(self) -> None:
        """Make the folder, or clear what an earlier demo has left in it.

        Raises:
            ConfigError: The folder holds something else.
        """
        mark = self.root / MARK
        if self.root.exists() and not mark.exists() and any(self.root.iterdir()):
            raise ConfigError("this folder holds other things than a demo", where=self.root, hint="give --output")
        self.root.mkdir(parents=True, exist_ok=True)
        mark.touch()
        runs = (self.classifier, self.detector, self.random_detector, self.evaluation, self.random_evaluation)
        for folder in (self.data, *runs, self.card, self.annotated):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.species, self.sheet, self.start, self.calibration, self.calibration.with_suffix(".png")):
            file.unlink(missing_ok=True)

    def announce(self, title: str) -> None:
        """Print the title of a step, and the time that has passed."""
        passed = round(time.monotonic() - self.started)
        self.console.print(f"\n[bold]{title}[/]  ({passed // 60}:{passed % 60:02})", highlight=False)

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def command(self, *words: object, accepted: Sequence[int] = (0,)) -> None:
        """Show a command, and run it as a user would.

        Args:
            words: What stands after `hoopoe`.
            accepted: Exit codes with which it may end.

        Raises:
            CommandFailedError: It has failed.
        """
        run_command(*words, accepted=accepted)

    def together(self, lines: Mapping[str, Sequence[Sequence[object]]]) -> None:
        """Run lines of commands beside each other, the cores shared out among them.

        A small network keeps one core busy and two not quite: two trainings beside each other end sooner than one after
        the other.

        Args:
            lines: Name of each line, which stands before all that its commands print, and the commands in their order.

        Raises:
            CommandFailedError: One of them has failed; the others have run to their end.
        """
        threads = str(max(1, (os.cpu_count() or 1) // len(lines)))
        environment = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"}
        with ThreadPoolExecutor(len(lines)) as pool:
            running = [pool.submit(self._line, name, line, environment) for name, line in lines.items()]
        code = next((each.result() for each in running if each.result()), 0)
        if code:
            raise CommandFailedError(code)

    def _line(self, name: str, commands: Sequence[Sequence[object]], environment: Mapping[str, str]) -> int:
        """Run commands in a process of their own until one fails; returns the last exit code."""
        shown = isinstance(current(), TextLog)  # to programs, the events of two at once say nothing
        lines = [[*map(str, words), *([] if shown else ["--quiet"])] for words in commands]
        with subprocess.Popen(
            [sys.executable, "-c", _LINE, json.dumps(lines)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for text in process.stdout:
                self.say(f"{name}: {text.rstrip()}")
        return process.returncode

    def say_where_to_look(self) -> None:
        """List what has been made."""
        passed = round(time.monotonic() - self.started)
        picture = self.images / "val_000001.jpg"
        page = self.annotated / "report" / "index.html"
        self.say(f"\nDone in {passed // 60}:{passed % 60:02}. Where to look:")
        for path, what in (
            (self.data, "the scenes, with boxes and species in train.json and val.json"),
            (self.species, "the species classifier"),
            (self.classifier / "model_card.md", "what it learnt from, and how good it is"),
            (self.sheet, "birds with what it calls them, a row a species, wrong names in red"),
            (self.detector / "best.safetensors", "the detector that started from it"),
            (self.detector / "plots" / "examples.png", "what it finds in eight scenes"),
            (self.evaluation / "metrics.json", "its figures, by species, too; pictures of its mistakes beside it"),
            (self.random_evaluation / "metrics.json", "the same of the detector that started from nothing"),
            (self.calibration.with_suffix(".png"), "how often the classifier is right when it is so sure"),
            (self.card, "the card of two cameras"),
            (self.annotated, "what was found on it: results.csv, results.json for Timelapse, events.csv"),
            (page, "a page to look at all of it"),
            (self.annotated / "images", "its photos with boxes and names; videos/ beside it"),
        ):
            self.say(f"  {path}  {what}")
        self.say(f"The report of the card opens by a double click, without network: {page.resolve().as_uri()}")
        self.say(f"To look at the pictures and correct what they are called: hoopoe review {self.annotated}")
        self.say(f"A scene: hoopoe predict {picture} --model {self.detector / 'best.safetensors'}")
