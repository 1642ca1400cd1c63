"""Two DDP processes take the steps of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from detector.training.resolving import Request
from detector.training.run import train_detector

SCRIPT = """
import sys
import torch

torch.randperm = lambda count, **options: torch.arange(count)  # samplers take the first, whatever the process
from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_two_processes_take_the_steps_of_one_and_count_each_image_once(
    detector: str, command, make_request, metrics_of, tiny_yaml, tmp_path, monkeypatch
) -> None:
    """Images of one size, drop path 0, BatchNorm frozen; 5 validation images cannot be shared out evenly."""
    settings = (
        f"model.detector={detector}",
        "model.backbone=biformer_nano",
        "model.batch_norm=frozen",
        "model.drop_path=0.0",
        "data.augmentation.scale=[1, 1]",
        "train.epochs=2",
        "train.ema_decay=null",
        "train.lr=1e-3",
    )
    monkeypatch.setattr(torch, "randperm", lambda count, **options: torch.arange(count))
    one: Request = make_request("one", *settings)
    train_detector(one)
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    words = command(tiny_yaml, tmp_path / "two", "--devices", "2", "--set", *settings)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script), *words],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    first, second = (metrics_of(tmp_path / name, "train") for name in ("one", "two"))
    assert len(first) == len(second) == 6
    for before, after in zip(first, second, strict=True):
        for name in before:
            if "loss" in name or name in ("classification", "bbox_regression", "lr"):
                assert after[name] == pytest.approx(before[name], rel=1e-5, abs=1e-7), (before["step"], name)
    weights = [torch.load(tmp_path / name / "checkpoints/last.pt")["model"] for name in ("one", "two")]
    for name, value in weights[0].items():
        # a hundredth of a step: where the terms of a gradient cancel, rounding is no small part of it, and Adam divides
        # by its size. The worst of the box head's 100,352 weights has 6e-9 where others have 5e-4, and differs by the
        # rounding of one of these; a key's bias, which changes nothing, has 1e-14. The norm below: they are few
        torch.testing.assert_close(weights[1][name], value, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    one_vector, two_vector = (torch.cat([value.flatten().double() for value in each.values()]) for each in weights)
    assert (one_vector - two_vector).norm() < 1e-5 * one_vector.norm()
    assert metrics_of(tmp_path / "one", "evaluation") == metrics_of(tmp_path / "two", "evaluation")


LOSE = """
import sys
from backbones.errors import DataError
from detector.training import loop

def accumulate(run, batch, gradients=loop.accumulate_gradients):
    if run.fabric.global_rank == 1:
        raise DataError("this picture has gone", where="bird.jpg")
    return gradients(run, batch)

loop.accumulate_gradients = accumulate
from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def run_script(script: Path, text: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    script.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    words = [sys.executable, str(script), *words]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_process_that_ends_is_said_to_have_ended_and_its_own_error_says_why(command, tiny_yaml, tmp_path) -> None:
    done = run_script(tmp_path / "lose.py", LOSE, command(tiny_yaml, tmp_path / "run", "--devices", "2"))
    assert done.returncode != 0
    assert "this picture has gone" in done.stderr
    assert "defect" not in done.stderr


WATCH = """
import sys
import torch.distributed as dist
from detector.evaluation import evaluation
from detector.training import session

def evaluate(detector, annotations, *rest, measure=evaluation.evaluate, **options):
    states = [None] * dist.get_world_size()
    dist.all_gather_object(states, detector.net.state_dict())
    differing = [name for name, value in states[0].items() if not value.equal(states[1][name])]
    print("evaluated by all:", len(states[0]), "tensors,", len(differing), "differ", *differing[:12], flush=True)
    return measure(detector, annotations, *rest, **options)

session.evaluate = evaluate
from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("average", ["0.9", "null"])
def test_all_processes_evaluate_the_weights_that_are_saved(average: str, command, tiny_yaml, tmp_path) -> None:
    """BatchNorm learns its statistics in each process from other images."""
    settings = ("model.backbone=biformer_nano", "train.epochs=1", f"train.ema_decay={average}")
    words = command(tiny_yaml, tmp_path / "run", "--devices", "2", "--set", *settings)
    done = run_script(tmp_path / "watch.py", WATCH, words)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("evaluated by all")]
    assert len(said) == 2, "by each process"
    assert all(line.endswith(" 0 differ") for line in said), said
