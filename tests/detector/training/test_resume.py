"""Killed and resumed, a run ends as if it had never stopped."""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from backbones.errors import CheckpointError, ConfigError, DataError
from detector.cli.main import main
from detector.models.saving import read_detector
from detector.training.optimising.optimiser import set_learning_rate
from detector.training.run import train_detector

# everything that could carry hidden state
HARD = (
    "model.detector=retinanet",
    "model.backbone=biformer_nano",
    "model.drop_path=0.3",
    "data.augmentation.mosaic=0.5",
    "data.augmentation.copy_paste=0.5",
    "data.workers=2",
    "train.accumulate=2",
    "train.lateral_steps=1",
    "train.checkpoint_steps=2",
    "train.epochs=2",
)
OF_TWO = (*HARD, "data.workers=1", "train.accumulate=1")  # no picture is alone in a part of a step
STEPS = 6  # of which the last is followed by an evaluation only


ROOT = Path(__file__).parents[3]
HOOPOE = ("-m", "detector.cli.main", "train")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(ROOT / "tools/train_det.py"))


def hoopoe(
    words: list[str],
    *,
    kill_after_steps: int | None = None,
    number: int = signal.SIGKILL,
    launcher: tuple[str, ...] = HOOPOE,
) -> tuple[int, str]:
    """Run `hoopoe train` in processes (a group) of their own, and send them a signal after so many logged steps."""
    assert words[0] == "train"
    process = subprocess.Popen(
        [sys.executable, *launcher, *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines, steps = [], 0
    for line in process.stdout:
        lines.append(line)
        steps += " epochs, loss " in line
        if steps == kill_after_steps:
            time.sleep(random.uniform(0, 0.3))  # anywhere in the next step
            others = outside_the_group(process.pid)
            os.killpg(process.pid, number)
            for pid in others:
                with contextlib.suppress(ProcessLookupError):  # gone with its parent
                    os.kill(pid, number)
            break
    lines += process.stdout.readlines()
    return process.wait(), "".join(lines)


def outside_the_group(group: int) -> list[int]:
    """Descendants of a process that are no part of its group, as torchrun's workers are; by Linux's /proc."""
    found, parents = [], [group]
    while parents:
        parent = parents.pop()
        tasks = Path(f"/proc/{parent}/task").glob("*/children")
        children = [int(pid) for task in tasks for pid in task.read_text().split()]
        parents += children
        found += [pid for pid in children if os.getpgid(pid) != group]
    return found


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In this process and those that it starts: sums by several threads are where runs come to differ."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kill", range(int(os.environ.get("HOOPOE_KILLS", "1"))))
def test_sigkill_at_a_random_step_and_resume_is_bit_equal(
    kill, command, make_request, tiny_yaml, tmp_path, differing, two_threads
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_detector(make_request("whole", *HARD))
    after = random.SystemRandom().randint(1, STEPS - 2)
    code, _ = hoopoe(command(tiny_yaml, broken, "--set", *HARD), kill_after_steps=after)
    assert code == -signal.SIGKILL
    train_detector(make_request("broken", *HARD, "data.workers=1", resume=True))
    other = [path for path in differing(whole, broken) if not path.endswith("data.workers")]
    assert other == [], f"killed after {after} steps"
    first, second = (read_detector(run / "best.safetensors")[0] for run in (whole, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole_run_of_two(command, tiny_yaml, tmp_path_factory) -> Path:
    """The folder of a run of two processes, begun by `--devices 2`, that was never stopped."""
    run = tmp_path_factory.mktemp("two") / "whole"
    code, said = hoopoe(command(tiny_yaml, run, "--devices", "2", "--set", *OF_TWO))
    assert code == 0, said
    return run


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "options"), [(HOOPOE, ["--devices", "2"]), (TORCHRUN, [])])
def test_two_processes_killed_and_resumed_are_bit_equal(
    launcher, options, whole_run_of_two, command, tiny_yaml, tmp_path, differing
) -> None:
    broken = tmp_path / "broken"
    words = (*options, "--set", *OF_TWO)
    after = random.SystemRandom().randint(1, STEPS - 2)
    code, _ = hoopoe(command(tiny_yaml, broken, *words), kill_after_steps=after, launcher=launcher)
    assert code == -signal.SIGKILL
    code, said = hoopoe(command(tiny_yaml, broken, "--resume", *words), launcher=launcher)
    assert code == 0, said
    assert "on 2 x cpu" in said
    assert differing(whole_run_of_two, broken) == [], f"killed after {after} steps"
    first, second = (read_detector(run / "best.safetensors")[0] for run in (whole_run_of_two, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ultralytics_23973_a_resumed_run_continues_its_losses(make_request, finished, metrics_of, monkeypatch) -> None:
    broken = make_request("broken", "train.checkpoint_steps=1")

    def stop_in_step_5(*_: object) -> None:
        if len(metrics_of(broken.output, "train")) == 4:
            _fail()

    monkeypatch.setattr("detector.training.loop.set_learning_rate", stop_in_step_5)
    with pytest.raises(RuntimeError, match="power"):
        train_detector(broken)
    monkeypatch.undo()
    train_detector(make_request("broken", resume=True))
    for kind in ("train", "evaluation"):
        first, second = metrics_of(finished, kind), metrics_of(broken.output, kind)
        assert [record["step"] for record in first] == [record["step"] for record in second]


@pytest.mark.slow
def test_a_run_that_began_from_a_detector_goes_on_without_it(make_request, differing, monkeypatch) -> None:
    start = str(train_detector(make_request("start", "train.epochs=1")).best)
    train_detector(make_request("whole", init=start))
    broken = make_request("broken", "train.checkpoint_steps=1", init=start)
    monkeypatch.setattr("detector.training.session.Session.evaluate", lambda *_: _fail())
    with pytest.raises(RuntimeError, match="power"):
        train_detector(broken)
    monkeypatch.undo()
    train_detector(make_request("broken", "train.checkpoint_steps=1", resume=True))
    assert [path for path in differing(broken.output.with_name("whole"), broken.output) if "steps" not in path] == []


def _fail() -> None:
    raise RuntimeError("the power went out")


def test_an_interrupt_ends_after_the_step_with_a_checkpoint(command, tiny_yaml, tmp_path, capsys, monkeypatch) -> None:
    rates = []

    def interrupted_in_step_2(optimiser: torch.optim.Optimizer, rate: float) -> None:
        set_learning_rate(optimiser, rate)
        rates.append(rate)
        if len(rates) == 2:
            for process in (os.getpid(), *(each.pid for each in multiprocessing.active_children())):
                os.kill(process, signal.SIGINT)  # to all processes of the group, as a terminal does it

    monkeypatch.setattr("detector.training.loop.set_learning_rate", interrupted_in_step_2)
    run = tmp_path / "run"
    settings = ("--set", "data.workers=1", "train.checkpoint_minutes=null")
    assert main(command(tiny_yaml, run, *settings)) == 130
    said = capsys.readouterr()
    assert torch.load(run / "checkpoints/last.pt")["position"]["step"] == 2
    assert "stopped after step 2; give --resume to go on" in said.out
    assert said.err.count(" epochs, loss ") == 2


def test_a_finished_run_says_so_and_is_left_alone(make_request, finished_run) -> None:
    request = make_request()
    before = (finished_run / "checkpoints/last.pt").read_bytes()
    run = train_detector(make_request(resume=True))
    assert run.position.finished
    assert not run.trained
    assert (finished_run / "checkpoints/last.pt").read_bytes() == before

    with pytest.raises(ConfigError, match="already is a run"):
        train_detector(request)
    with pytest.raises(ConfigError, match=r"train\.lr was 0\.0002 and is 0\.1; give"):
        train_detector(make_request("run", "train.lr=0.1", "train.epochs=9", resume=True))
    with pytest.raises(DataError, match="other annotations"):
        train_detector(make_request(resume=True, train=request.validation))
    assert not train_detector(make_request("run", "data.workers=1", "train.log_steps=7", resume=True)).trained


def test_resume_without_a_run_begins_one(make_request) -> None:
    run = train_detector(make_request("new", "train.epochs=1", validation=[], resume=True))
    assert run.trained
    assert run.best.exists()


def test_a_run_without_a_checkpoint_begins_again_from_its_detector(make_request, finished_run, monkeypatch) -> None:
    start, asked = str(finished_run / "best.safetensors"), []
    request = make_request("new", init=start)
    monkeypatch.setattr("detector.training.run.trained", lambda *_: _fail())
    with pytest.raises(RuntimeError, match="power"):
        train_detector(request)

    def refuse(again) -> None:
        asked.append(again)
        raise ConfigError("that is enough", hint="none")

    monkeypatch.setattr("detector.training.run.train_detector", refuse)
    assert main(["train", "--resume", str(request.output)]) == 2
    assert [again.init for again in asked] == [start]
    assert main(["train", "--resume", str(finished_run)]) == 2
    assert asked[-1].init is None


def test_a_damaged_checkpoint_is_named(make_request) -> None:
    request = make_request("run", "train.epochs=1", resume=True)
    last = request.output / "checkpoints/last.pt"
    last.parent.mkdir(parents=True)
    for content in (b"", b"not a checkpoint"):
        last.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"last\.pt"):
            train_detector(request)
    torch.save({"format": "hoopoe-run-0"}, last)
    with pytest.raises(CheckpointError, match="hoopoe-run-0"):
        train_detector(request)


def test_a_run_goes_on_by_its_folder_alone_and_by_its_own_configuration(command, finished_run, capsys) -> None:
    run = finished_run
    assert main(["train", "--resume", str(run)]) == 0
    assert "this run is finished" in capsys.readouterr().out
    assert main(command(run / "config.yaml", run, "--resume")) == 0
    assert "this run is finished" in capsys.readouterr().out
    assert main(command(run / "config.yaml", run, "--resume", "--set", "train.lr=1e-9")) == 2
    assert "train.lr was" in capsys.readouterr().err


def test_what_no_run_says_must_be_given(tmp_path, capsys) -> None:
    assert main(["train", "demo_nano"]) == 2
    assert "--output, --train-annotations is missing" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "there is no run in this folder" in capsys.readouterr().err


def test_an_overfit_check_that_fails_says_so(command, tiny_yaml, tmp_path, capsys) -> None:
    assert main(command(tiny_yaml, tmp_path / "run", "--overfit", "1", "--set", "train.epochs=1", "train.lr=1e-9")) == 1
    assert "the check has failed" in capsys.readouterr().out
