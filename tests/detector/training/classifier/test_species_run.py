"""A species classifier's run: what it makes, how it goes on, what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import backbones
from backbones.errors import CheckpointError, ConfigError, DataError
from detector.cli.main import main
from detector.species.calibration import Calibration
from detector.species.classifier import load_classifier
from detector.species.learning.learnt import learnt_from
from detector.training.classifier import run as running
from detector.training.classifier.config import SpeciesConfig
from detector.training.classifier.request import SpeciesRequest
from detector.training.classifier.run import SpeciesRun, train_species_classifier
from detector.training.classifier.sources import FolderCrops
from detector.training.classifier.stored import read_list
from detector.training.optimising.optimiser import set_learning_rate
from detector.training.records.run_folder import RunFolder
from tests.detector.training.classifier.conftest import CAMERAS, COLOURS, OF_EACH, SETTINGS, paint

Requests = Callable[..., SpeciesRequest]


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return backbones.load_pretrained_model(path).net.state_dict()


def test_a_run_leaves_a_classifier_that_loads_as_it_is_and_says_how_good_it_is(finished: SpeciesRun) -> None:
    birds = load_classifier(finished.classifier, "cpu")
    assert birds.class_names == tuple(sorted(COLOURS))
    assert finished.calibration is not None
    assert Calibration.read(finished.calibration).fits(birds.sha256)
    assert finished.metrics is not None
    after = finished.metrics["all"]["after"]
    assert after["birds"] == len(COLOURS) * OF_EACH, "of one camera of five"
    assert finished.metrics["all"]["before"] is None
    card = (finished.folder / "model_card.md").read_text()
    assert "## Limits" in card
    assert "Upupa epops" in card
    assert {path.name for path in (finished.folder / "plots").iterdir()} >= {"confusion.png", "reliability.png"}


def test_held_out_crops_are_those_that_annotation_cuts_and_of_other_cameras(finished: SpeciesRun, crops: Path) -> None:
    stored = read_list(finished.folder, sorted(COLOURS))
    assert len(stored) == (len(COLOURS) + 1) * CAMERAS * OF_EACH
    cameras = [Path(picture).parts[1] for picture in stored.pictures]
    held = {camera for camera, out in zip(cameras, stored.held_out.tolist(), strict=True) if out}
    assert len(held) == 1
    assert not held & {camera for camera, out in zip(cameras, stored.held_out.tolist(), strict=True) if not out}
    row = int(stored.rows(held_out=True, others=False)[0])
    source = FolderCrops(crops)
    number = next(n for n, box in enumerate(source.boxes) if box.picture == stored.pictures[row])
    from detector.species.crops import CONTEXT
    from detector.species.learning.boxes import Cut

    exact = next(source.cut({number: Cut(CONTEXT, (32, 32))})).pixels
    np.testing.assert_array_equal(stored.picture(row), exact)


@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_a_run_that_was_stopped_goes_on_to_the_very_same_weights(
    finished: SpeciesRun, crops: Path, request_of: Requests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    steps: list[float] = []

    def fail_later(optimiser: torch.optim.Optimizer, rate: float) -> None:
        steps.append(rate)
        if len(steps) > after:
            raise RuntimeError("the power went out")
        set_learning_rate(optimiser, rate)

    monkeypatch.setattr("detector.training.loop.set_learning_rate", fail_later)
    with pytest.raises(RuntimeError, match="power"):
        train_species_classifier(request_of(tmp_path / "run"), [FolderCrops(crops)])
    monkeypatch.undo()
    ended = train_species_classifier(request_of(tmp_path / "run", resume=True), [])
    assert ended.position.finished
    first, second = tensors(finished.classifier), tensors(ended.classifier)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert ended.metrics == finished.metrics
    again = train_species_classifier(request_of(tmp_path / "run", resume=True), [])
    assert not again.trained
    (ended.folder / "model_card.md").unlink()  # as where the power went out while it was measured
    assert train_species_classifier(request_of(tmp_path / "run", resume=True), []).metrics == finished.metrics
    assert (ended.folder / "model_card.md").exists()
    (ended.folder / "model_card.md").unlink()
    (ended.folder / "data.json").write_text("{")
    with pytest.raises(ConfigError, match="does not say how the run began"):
        train_species_classifier(request_of(tmp_path / "run", resume=True), [])


def test_another_setting_stops_a_run_from_going_on_and_another_run_is_not_written_over(
    finished: SpeciesRun, crops: Path, request_of: Requests
) -> None:
    usual = SpeciesConfig().train.lr
    for change, told in (
        ("train.lr=0.5", r"train.lr was 0.001 and is 0.5"),
        (f"train.lr={usual}", rf"train.lr was 0.001 and is {usual}"),  # also where that is the default
        ("train.epochs=40", r"train.epochs was 2 and is 40"),  # and the run is finished
    ):
        with pytest.raises(ConfigError, match=told):
            train_species_classifier(request_of(finished.folder, change, resume=True), [])
    with pytest.raises(ConfigError, match="already is a run"):
        train_species_classifier(request_of(finished.folder), [FolderCrops(crops)])


def test_new_species_join_old_ones_and_are_measured_against_the_classifier_before(
    finished: SpeciesRun, crops: Path, request_of: Requests, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    for number, (name, colour) in enumerate({"Corvus cornix": (40, 40, 60), "Common kestrel": (90, 60, 200)}.items()):
        for camera in range(CAMERAS):
            paint(more / name / f"cam{camera}" / "IMG_1.png", colour, 900 + 10 * number + camera)
    request = request_of(tmp_path / "run", "train.epochs=1", init=str(finished.classifier))
    sources = [FolderCrops(crops), FolderCrops(more)]
    start, plan = running.plan_species(request, sources)
    assert plan.classes.names == (*sorted(COLOURS), "Common kestrel")
    assert plan.classes.counts.tolist() == [15, 10, 10, 5], "Corvus cornix is the hooded crow"
    before = start.net.classifier.weight.detach().clone()
    net = running.with_classes(start, plan.classes, request.kinds.crosswalk, request.config.model)
    assert torch.equal(net.classifier.weight[:3], before), "rows of known classes are kept"
    ended = train_species_classifier(request, sources[1:])
    assert ended.metrics is not None
    assert ended.metrics["all"]["before"]["birds"] == ended.metrics["all"]["after"]["birds"]
    assert ended.metrics["all"]["gain"]["macro_f1"]["value"] is not None
    known = ended.metrics["known"]["after"]["birds"]
    assert known < ended.metrics["all"]["after"]["birds"], "the new species apart"
    learnt = learnt_from(str(finished.classifier))
    assert learnt is not None
    assert len(learnt) == (len(COLOURS) + 1) * (CAMERAS - 1) * OF_EACH
    assert ended.metrics["seen_before"] == 0, "they are other pictures"
    both = learnt_from(str(ended.classifier))
    assert both is not None
    assert len(both - learnt) == 2 * (CAMERAS - 1), "what those before learnt from it has learnt from, too"
    assert learnt < both
    assert learnt_from("davit_tiny_il-all") is None


def test_a_classifier_with_outputs_that_have_no_name_is_no_start(request_of: Requests, tmp_path: Path) -> None:
    net = backbones.create_model("davit_nano", num_classes=3, input_size=(32, 32))
    stats = {"mean": [0.5] * 3, "std": [0.25] * 3}
    path = tmp_path / "gaps.safetensors"
    backbones.save_pretrained(path, net, class_to_idx={"White stork": 0, "Hooded crow": 2}, rgb_stats=stats)
    with pytest.raises(CheckpointError, match="2 classes have names, but there are 3 outputs"):
        running.plan_species(request_of(tmp_path / "run", init=str(path)), [])


def test_copies_of_what_is_measured_on_are_not_learnt_from_and_count_once(
    crops: Path, request_of: Requests, tmp_path: Path
) -> None:
    for name in COLOURS:
        shutil.copytree(crops / name / "cam0", tmp_path / "val" / name / "elsewhere")
    _, plan = running.plan_species(request_of(tmp_path / "run"), [FolderCrops(crops)], [FolderCrops(tmp_path / "val")])
    assert "6 crops to learn from are of the same files, and are left out" in plan.parting.rule
    assert plan.counts(held_out=True).tolist() == [OF_EACH] * len(COLOURS)
    assert plan.counts(held_out=False).tolist() == [(CAMERAS - 1) * OF_EACH] * len(COLOURS)


def test_a_tracker_that_cannot_be_reached_leaves_no_run_in_the_way(
    crops: Path, request_of: Requests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise ConfigError("wandb cannot keep this run")

    monkeypatch.setattr(running, "open_trackers", unreachable)
    with pytest.raises(ConfigError, match="wandb"):
        train_species_classifier(request_of(tmp_path / "run"), [FolderCrops(crops)])
    RunFolder(tmp_path / "run").refuse_existing()


def test_too_little_is_refused_with_words(request_of: Requests, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no labelled crops"):
        FolderCrops(tmp_path / "empty")
    for number in range(6):
        paint(tmp_path / "one" / "White stork" / f"cam{number}" / "1.png", (230, 230, 230), number)
    with pytest.raises(DataError, match="all 6 crops are of one species, White stork"):
        train_species_classifier(request_of(tmp_path / "run"), [FolderCrops(tmp_path / "one")])
    paint(tmp_path / "nobody" / "Zzyx" / "1.png", (0, 0, 0), 0)
    with pytest.raises(DataError, match="no crop of a species"):
        train_species_classifier(request_of(tmp_path / "run"), [FolderCrops(tmp_path / "nobody")])
    assert not (tmp_path / "run").exists()


def test_one_bad_file_costs_no_other_and_a_single_crop_is_learnt_and_not_measured(
    crops: Path, request_of: Requests, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    paint(more / "Common kestrel" / "cam0" / "1.png", (90, 60, 200), 0)
    (more / "White stork").mkdir(parents=True)
    (more / "White stork" / "torn.jpg").write_bytes(b"\xff\xd8torn")
    request = request_of(tmp_path / "run", "train.epochs=1")
    ended = train_species_classifier(request, [FolderCrops(crops), FolderCrops(more)])
    data = json.loads((ended.folder / "data.json").read_text())
    assert list(data["unreadable"]) == ["White stork/torn.jpg"]
    assert (data["learnt"]["Common kestrel"], data["held_out"]["Common kestrel"]) == (1, 0)
    assert "Not measured here: Common kestrel" in (ended.folder / "model_card.md").read_text()


def test_the_command_trains_says_what_to_do_next_and_plans_without_training(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "tiny.yaml"
    settings.write_text(SETTINGS)
    words = ["train-species", str(crops), "--init", "none", "--config", str(settings), "--accelerator", "cpu"]
    run = tmp_path / "run"
    assert main([*words, "--output", str(run), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "8 of 40 crops are held out: 1 of 5 cameras" in said
    assert not run.exists()
    thrifty = ["train.epochs=1", "model.freeze_stages=4", "train.accumulate=2", "model.grad_checkpointing=true"]
    assert main([*words, "--output", str(run), "--set", *thrifty]) == 0
    assert f"hoopoe reclassify OUT --species {run / 'species.safetensors'}" in capsys.readouterr().out
    assert main(["train-species", "--resume", str(run)]) == 0
    assert "this run is finished" in capsys.readouterr().out
    assert main(["train-species", "--output", str(run)]) == 2
    assert "DATA is missing" in capsys.readouterr().err
