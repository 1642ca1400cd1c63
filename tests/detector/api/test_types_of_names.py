"""What a user's type checker is told of the library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import detector as hp

model = hp.load_detector("coco")
reveal_type(hp.predict(model, "a.jpg"))
reveal_type(hp.predict(model, ["a.jpg"]))
birds = hp.load_classifier("davit_tiny_il-all")
reveal_type(hp.classify(birds, "a.jpg"))
run = hp.train("nano", train=("a.json", "a"), output="x", set={"train.epochs": 5})
reveal_type(hp.evaluate(run.best, "val.json", "photos").metrics.AP50)
reveal_type(hp.annotate(["CARD"], "OUT", detector=model, species=birds))
hp.train("nano", train=("a.json", "a"), output="x", epochs=3)
"""


@pytest.mark.slow
def test_a_strict_user_sees_types_and_misspelt_options(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)]
    printed = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    lines = [line.partition(".py:")[2] for line in printed.splitlines() if "program.py" in line]
    assert [line.partition("is ")[2] for line in lines if "Revealed" in line] == [
        '"detector.types.detections.Detections"',
        '"list[detector.types.detections.Detections]"',
        '"detector.api.classify.Classification"',
        '"float | None"',
        '"detector.api.store.Store"',
    ]
    [error] = [line for line in lines if "error" in line]
    assert error.startswith('11: error: Unexpected keyword argument "epochs" for "train"')
