"""`--quiet` and `--log json` on commands as they are run, and what they end with."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from backbones.errors import DownloadError
from detector.base import reporting
from detector.base.objects.address import Address
from detector.base.objects.service import put_object
from detector.base.reporting import Task
from detector.cli.main import main
from detector.cli.terminal.log import NO_BARS, asked_log
from detector.config import shipped_folder
from detector.store.run_file import SpeciesEntry
from detector.store.schema import pack_vector

EVENTS = {"started", "progress", "message", "warning", "error", "finished"}


@pytest.fixture
def store(tmp_path: Path, facts_maker: SimpleNamespace) -> Path:
    """Two photos of one bird each, and one that failed."""
    box = facts_maker.box(logits=pack_vector([9.0, 0.0]))
    species = SpeciesEntry(name="two", classes=["Hooded crow", "Eurasian hoopoe"])
    rows = [[facts_maker.row(name, boxes=[box])] for name in ("north/a.jpg", "south/b.jpg")]
    rows.append([facts_maker.row("south/c.jpg", failure="torn", detections=None)])
    return facts_maker.write(tmp_path / "a store", rows, species=species)


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_line_of_a_command_is_an_event_with_its_time(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--log=json", "decide", str(store), "--export", "csv,events"]) == 0
    captured = capsys.readouterr()
    told = events(captured.err)
    assert {each["event"] for each in told} <= EVENTS
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(each["time"])) for each in told)
    assert told[0]["command"] == "decide"
    assert [each["task"] for each in told if each["event"] == "started" and "task" in each] == [
        "deciding",
        "writing csv",
        "writing events",
    ]
    assert told[-1]["exit_code"] == 0
    assert "independent events" in captured.out, "results are on stdout, as ever"


def test_quiet_leaves_results_and_nothing_on_stderr(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decide", str(store), "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "independent events" in captured.out


def test_the_summary_names_species_by_deployment_and_what_comes_next(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")  # nothing is cut where stdout is no terminal
    assert main(["decide", str(store), "--export", "csv"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"photos 3", "with birds 2", "blank 0", "failed 1"} <= set(lines)
    [crow] = [line for line in lines if line.startswith("Hooded Crow")]
    assert re.fullmatch(r"Hooded Crow 2 1 2 \d card/north 1, card/south 1", crow)
    assert any(line.startswith("card/south 2 0 1") for line in lines)
    assert (
        f"next: `hoopoe deployments '{store}' --output deployments.csv` begins a table of places and time zones"
        in lines
    )


def test_of_a_store_among_objects_a_copy_is_what_comes_next(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = Address("memory", "of-stores", "OUT")
    for path in store.rglob("*.*"):
        if path.is_file():
            put_object(address / path.relative_to(store).as_posix(), path.read_bytes())
    assert main(["decide", str(address), "--export", "csv"]) == 0
    told = [line.strip() for line in capsys.readouterr().out.splitlines() if "next:" in line]
    assert any("`hoopoe deployments COPY --output deployments.csv`" in line for line in told)
    assert not any(word in line for line in told for word in ("deployments memory", "reviews memory", "--open memory"))
    assert main(["report", str(address), "--open"]) == 2
    assert "index.html" in capsys.readouterr().err
    assert main(["deployments", str(address), "--output", str(store / "d.csv")]) == 2
    assert "takes no address here" in capsys.readouterr().err


def test_what_libraries_say_becomes_events_and_bars_of_others_are_off(capsys: pytest.CaptureFixture[str]) -> None:
    before = os.environ.get(NO_BARS)
    with asked_log(["--log", "json"]):
        assert os.environ[NO_BARS] == "1"
        warnings.warn("deprecated", stacklevel=1)
        logging.getLogger("library").warning("lost %s", "a.jpg")
        logging.getLogger("library").info("nobody asked")
    assert os.environ.get(NO_BARS) == before
    assert [each["message"] for each in events(capsys.readouterr().err)] == ["deprecated", "lost a.jpg"]


def test_what_others_write_to_stderr_becomes_events_too(capfd: pytest.CaptureFixture[str]) -> None:
    with asked_log(["--log", "json"]):
        os.write(2, b"Corrupt JPEG data\n")
        subprocess.run([sys.executable, "-c", "import sys; sys.exit('the child fails')"])
        reporting.warn("lost")
    os.write(2, b"as before\n")
    *told, last = capfd.readouterr().err.splitlines()
    assert {json.loads(line)["message"] for line in told} == {"Corrupt JPEG data", "the child fails", "lost"}
    assert last == "as before"


def test_a_command_within_a_command_speaks_as_the_outer_one(capsys: pytest.CaptureFixture[str]) -> None:
    with asked_log(["--quiet"]), asked_log(["decide", "OUT"]):
        reporting.say("unheard")
    with asked_log(["--quiet"]), asked_log(["--log", "text"]):
        reporting.say("heard")
    assert capsys.readouterr().err == "heard\n"


def test_of_several_processes_the_first_one_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    with asked_log(["--log", "json"]):
        reporting.say("unheard")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--folds", "2"]])
def test_weights_that_cannot_be_fetched_have_a_way_round(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    def not_fetched(*_: object) -> None:
        raise DownloadError("not fetched", where="hub", hint="connect")

    for function in ("run.train_detector", "dry_run.describe_run", "folds.make_folds"):
        monkeypatch.setattr(f"detector.training.{function}", not_fetched)
    boxes = tmp_path / "train.json"
    boxes.touch()
    words = ["train", "nano", "--train-annotations", str(boxes), "--train-images", str(tmp_path)]
    assert main([*words, "--output", str(tmp_path / "run"), *options]) == 2
    assert "hint:  connect; or start from random weights: --set model.weights=null" in capsys.readouterr().err


def test_an_annotation_that_is_ended_tells_programs_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "card"
    card.mkdir()
    for number in range(20):
        Image.fromarray(np.full((60, 80, 3), number, np.uint8)).save(card / f"{number:02}.jpg")
    advance = Task.advance

    def advance_and_end(self: Task, count: float = 1, failed: bool = False) -> None:
        advance(self, count, failed)
        if self.done == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Task, "advance", advance_and_end)
    detector = shipped_folder() / "demo_start.safetensors"
    words = ["annotate", str(card), "--output", str(tmp_path / "out"), "--detector", str(detector), "--device", "cpu"]
    assert main([*words, "--workers", "1", "--batch-size", "1", "--log", "json"]) == 130
    told = events(capsys.readouterr().err)
    assert told[-1]["exit_code"] == 130
    assert any(each["event"] == "warning" and "the same command goes on" in str(each["message"]) for each in told)
    [done] = [each["done"] for each in told if (each["event"], each.get("task")) == ("finished", "annotating")]
    assert 3 <= int(str(done)) < 20

    monkeypatch.setattr(Task, "advance", advance)
    assert main([*words, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert f"{done} files finished before" in captured.out
    assert captured.err == ""
