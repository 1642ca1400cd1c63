"""What a run does, and what it refuses."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.errors import ConfigError, DataError
from detector.cli.main import main
from detector.data.dataset import Item, make_target
from detector.data.loader import collate
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.saving import load_detector
from detector.training import loop
from detector.training.batches import split_batch
from detector.training.dry_run import describe_run
from detector.training.guards import out_of_memory_explained
from detector.training.memory import fits_on_gpu, largest_that_fits, most_useful
from detector.training.run import train_detector


def test_a_run_leaves_all_its_files(make_request, metrics_of, drawn_curves) -> None:
    request = make_request("run", "model.detector=retinanet", "train.precision=bf16", "train.accumulate=2")
    run = train_detector(request)
    assert run.position.finished
    assert run.position.step == 6
    run = request.output
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and "tfevents" not in path.name}
    assert files == {
        *("config.yaml", "environment.json", "data.json", "best.safetensors", "model_card.md", "checkpoints/last.pt"),
        *("metrics.jsonl", "plots/curves.png", "plots/examples.png"),
    }
    assert list((run / "tensorboard").iterdir())
    assert (run / "plots/curves.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((run / "data.json").read_text())["train"]["report"]["images"] == 12
    assert json.loads((run / "environment.json").read_text())["versions"]["torch"] in torch.__version__
    assert len(metrics_of(run, "train")) == 6
    assert all(np.isfinite(record["loss"]) for record in metrics_of(run, "train"))
    assert [record["epoch"] for record in metrics_of(run, "evaluation")] == [1, 2]

    meta = load_detector(run / "best.safetensors").meta
    assert len(meta.category_names) == 12
    assert meta.training_data["images"] == 12
    assert set(meta.metrics) >= {"AP", "AP50"}


@pytest.mark.slow
def test_a_tiny_set_is_learnt_by_heart(make_request, metrics_of) -> None:
    settings = ("train.epochs=6", "train.lr=2e-3", "data.agnostic=true", "train.eval_epochs=6")
    request = make_request("run", *settings, overfit=2)
    train_detector(request)
    losses = [record["loss"] for record in metrics_of(request.output, "train")]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
    [evaluation] = metrics_of(request.output, "evaluation")
    assert evaluation["AP50"] > 0.5


def test_detectron2_1379_early_stopping_and_the_best_weights(make_request, plant_figures) -> None:
    plant_figures(0.0, 0.0, 0.5, 0.4, 0.9)
    request = make_request("run", "train.epochs=5", "train.patience=1")
    run = train_detector(request)
    assert run.position.epoch == 4, "one evaluation without a new best, of those since the first bird was found"
    assert run.position.best == 0.5
    assert load_detector(run.best).meta.metrics["AP"] == 0.5


def test_vision_5098_images_without_boxes_are_trained_on(make_request, drawn_set, tmp_path) -> None:
    document = json.loads((drawn_set / "train.json").read_text())
    document["annotations"] = []
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(document))
    for detector in ("faster_rcnn", "retinanet"):
        settings = (f"model.detector={detector}", "train.epochs=1", "train.batch_size=12")
        request = make_request(detector, *settings, train=[(empty, drawn_set / "images")], validation=[])
        assert train_detector(request).position.finished


def test_a_validation_set_without_boxes_gives_no_figure_and_still_a_detector(make_request, drawn_set, tmp_path) -> None:
    document = json.loads((drawn_set / "val.json").read_text())
    document["annotations"] = []
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(document))
    run = train_detector(make_request("run", "train.epochs=1", validation=[(empty, drawn_set / "images")]))
    assert load_detector(run.best).meta.metrics["AP"] is None


def test_without_a_validation_set_the_last_weights_are_the_detector(make_request) -> None:
    assert train_detector(make_request("none", "train.epochs=1", "train.batch_size=12", validation=[])).best.exists()


@pytest.mark.parametrize("limit", ["5.0", "null"])
def test_gradient_that_is_not_finite_stops_the_run_before_it_spoils_the_weights(
    make_request, monkeypatch, limit
) -> None:
    def spoiled(run, batch, accumulate=loop.accumulate_gradients):
        losses = accumulate(run, batch)
        next(each for each in run.model.parameters() if each.grad is not None).grad.view(-1)[0] = float("nan")
        return losses

    monkeypatch.setattr(loop, "accumulate_gradients", spoiled)
    request = make_request("run", f"train.clip_norm={limit}")
    with pytest.raises(DataError, match=r"the gradient is not finite: .*gradient_norm nan"):
        train_detector(request)
    assert not (request.output / "best.safetensors").exists()


def test_vision_2235_a_loss_that_is_not_finite_stops_the_run_and_names_the_images(make_request, monkeypatch) -> None:
    from torchvision.models.detection.roi_heads import RoIHeads

    forward = RoIHeads.forward

    def spoiled(self, *args):
        found, losses = forward(self, *args)
        return found, {name: value * float("nan") for name, value in losses.items()}

    monkeypatch.setattr(RoIHeads, "forward", spoiled)
    with pytest.raises(DataError, match=r"loss_classifier nan") as caught:
        train_detector(make_request())
    assert caught.value.where is not None
    assert caught.value.where.startswith("step 1, images train_0000")
    assert caught.value.where.count(".jpg") == 4


def test_mmdetection_2361_other_names_in_validation_are_an_error_not_an_ap_of_0(
    make_request, drawn_set, tmp_path
) -> None:
    document = json.loads((drawn_set / "val.json").read_text())
    for category in document["categories"]:
        category["name"] += " sp."
    renamed = tmp_path / "renamed.json"
    renamed.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"has boxes, but the categories in use"):
        train_detector(make_request(validation=[(renamed, drawn_set / "images")]))


def test_missing_pictures_are_found_before_the_first_step(make_request, drawn_set, tmp_path) -> None:
    with pytest.raises(DataError, match="12 of 12 pictures") as caught:
        train_detector(make_request(train=[(drawn_set / "train.json", tmp_path)]))
    assert "train_000001.jpg" in str(caught.value.where)
    assert not (tmp_path / "run").exists()


def test_two_sets_are_trained_on_together(make_request, drawn_set, metrics_of) -> None:
    images = drawn_set / "images"
    both = [(drawn_set / "train.json", images), (drawn_set / "val.json", images)]
    request = make_request("run", "train.epochs=1", "train.batch_size=17", train=both, validation=[])
    assert train_detector(request).position.step == 1
    assert json.loads((request.output / "data.json").read_text())["train"]["report"]["images"] == 17


def test_a_detector_with_other_categories_starts_from_another(make_request) -> None:
    short = ("train.epochs=1", "train.batch_size=12")
    first = make_request("first", *short, "data.agnostic=true", validation=[])
    start = str(train_detector(first).best)
    second = make_request("second", *short, "train.lr=1e-12", "train.ema_decay=null", init=start, validation=[])
    old, new = (load_detector(run).net.state_dict() for run in (start, train_detector(second).best))
    name = "backbone.fpn.inner_blocks.0.0.weight"
    torch.testing.assert_close(old[name], new[name], rtol=0, atol=1e-6)


def test_without_an_average_training_goes_on_after_an_evaluation(make_request) -> None:
    assert train_detector(make_request("run", "train.ema_decay=null")).position.finished


def test_parts_of_a_batch_are_the_batch() -> None:
    items = [
        Item(
            torch.full((3, 32, 32 + 8 * n), n, dtype=torch.uint8),
            make_target(torch.full((n, 4), float(n)), torch.full((n,), n), n),
        )
        for n in range(5)
    ]
    batch = collate(items)
    parts = list(split_batch(batch, 3))
    assert [len(part.image_ids) for part in parts] == [2, 1, 2]
    assert [image for part in parts for image in part.image_ids] == [0, 1, 2, 3, 4]
    for image, target in ((i, t) for part in parts for i, t in zip(part.images, part.targets, strict=True)):
        assert (image == target["image_id"]).all()
        assert (target["labels"] == target["image_id"]).all()
        assert len(target["boxes"]) == target["image_id"]
    assert [len(part.image_ids) for part in split_batch(batch, 9)] == [1] * 5


def test_accumulated_parts_are_the_whole_step(make_request, monkeypatch) -> None:
    """Images of one size and samplers that take the first: gradients of parts add up to those of the batch."""
    monkeypatch.setattr(torch, "randperm", lambda count, **options: torch.arange(count))
    weights = []
    for parts in (1, 2, 4):
        settings = (
            "train.epochs=1",
            f"train.accumulate={parts}",
            "data.augmentation.scale=[1, 1]",
            "train.ema_decay=null",
        )
        run = train_detector(make_request(f"run{parts}", *settings, validation=[]))
        weights.append(torch.load(run.files.last)["model"]["backbone.fpn.inner_blocks.0.0.weight"])
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(weights[2], weights[0], rtol=1e-4, atol=1e-6)


def test_the_largest_batch_that_fits_is_found_from_below() -> None:
    tried = []

    def fits(images: int) -> bool:
        tried.append(images)
        return images <= 11

    assert largest_that_fits(fits, 64) == 8
    assert tried == [1, 2, 4, 8, 16]
    assert largest_that_fits(lambda images: False, 64) == 0
    assert largest_that_fits(lambda images: True, 6) == 4
    assert most_useful(478, 1, 1) == 23
    assert most_useful(100_000, 8, 1) == 64
    assert most_useful(5, 1, 1) == 1


def test_auto_is_the_default_on_a_cpu(make_request) -> None:
    train_detector(make_request("run", "train.batch_size=auto", "train.epochs=1", validation=[]))
    # the configuration that is written says what auto came to
    assert "batch_size: 16" in (make_request().output / "config.yaml").read_text()


def test_out_of_memory_proposes_settings() -> None:
    with pytest.raises(ConfigError, match=r"train\.accumulate=2.*grad_checkpointing"), out_of_memory_explained(8):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_batches_that_cannot_be_divided_are_refused(make_request) -> None:
    from detector.training.resolving import images_a_device

    assert images_a_device(make_request("run", "train.batch_size=8").config, 4) == 2
    with pytest.raises(ConfigError, match="5 images a step cannot be divided among 2"):
        images_a_device(make_request("run", "train.batch_size=5").config, 2)


def test_dry_run_prints_and_writes_nothing(command, tiny_yaml: Path, tmp_path: Path, capsys) -> None:
    assert main(command(tiny_yaml, tmp_path / "run", "--dry-run")) == 0
    said = capsys.readouterr().out
    for part in ("davit_nano", "M parameters", "12 images", "2 epochs of about 3 steps", "learning rate", "GB on each"):
        assert part in said
    assert not (tmp_path / "run").exists()


def test_a_run_tells_what_reading_has_mended(make_request, drawn_set, tmp_path, capsys) -> None:
    document = json.loads((drawn_set / "train.json").read_text())
    document["annotations"][0]["bbox"] = [0, 0, 500, 500]
    document["annotations"][1]["bbox"] = [5, 5, 0, 9]
    faulty = tmp_path / "faulty.json"
    faulty.write_text(json.dumps(document))
    faulty_only = [(faulty, drawn_set / "images")]
    train_detector(make_request("run", "train.epochs=1", "train.batch_size=11", train=faulty_only, validation=[]))
    said = capsys.readouterr().err
    assert "1 images left out, because they have boxes that cannot be used" in said
    assert "faults: 1 x box_degenerate, 1 x box_outside; see hoopoe doctor" in said


def test_overfitting_says_on_how_many_images(command, tiny_yaml: Path, tmp_path: Path, capsys) -> None:
    assert main(command(tiny_yaml, tmp_path / "run", "--dry-run", "--overfit", "3")) == 0
    assert "overfitting 3 images of train, 66 showings an epoch" in capsys.readouterr().out


def test_what_cannot_work_is_refused_before_processes_start(make_request, monkeypatch) -> None:
    monkeypatch.setattr("lightning_fabric.Fabric.launch", lambda *_: pytest.fail("too late"))
    with pytest.raises(ConfigError, match="5 images a step cannot be divided among 2"):
        train_detector(make_request("run", "train.batch_size=5", devices=2))
    request = make_request("file")
    request.output.write_text("a file")
    with pytest.raises(ConfigError, match="this is a file, not a folder"):
        train_detector(request)


def test_the_command_refuses_what_does_not_belong_together(command, tiny_yaml: Path, tmp_path: Path, capsys) -> None:
    words = command(tiny_yaml, tmp_path / "run")
    assert main([*words, "--train-images", str(tmp_path)]) == 2
    assert "1 annotation files and 2 image folders" in capsys.readouterr().err
    assert main([*words, "--set", "train.lrr=1"]) == 2
    assert "train.lr" in capsys.readouterr().err
    assert main([*words, "--accelerator", "cuda", "--devices", "99"]) == 2
    assert "99 CUDA devices" in capsys.readouterr().err
    assert main([*words, "--devices", "two"]) == 2
    assert "two is not a whole number from 1 up" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.parametrize("backbone", ["davit_nano", "biformer_nano"])
@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_the_gpu_trains_in_bfloat16_with_the_batch_size_that_fits(backbone, detector, make_request, metrics_of) -> None:
    settings = (f"model.backbone={backbone}", f"model.detector={detector}", "train.batch_size=auto")
    request = make_request("run", *settings, "train.precision=auto", "data.workers=2", accelerator="cuda")
    run = train_detector(request)
    assert run.position.finished
    assert all(np.isfinite(record["loss"]) for record in metrics_of(run.folder, "train"))
    assert load_detector(run.best).meta.training_data["images"] == 12


@pytest.mark.gpu
def test_a_batch_beyond_the_gpu_does_not_fit() -> None:
    model = build_detector(ModelConfig(backbone="davit_nano", fpn_channels=64)).cuda()
    fits = fits_on_gpu(model, (2048, 2048), nullcontext)
    assert fits(1)
    assert not fits(128), "hundreds of GB"
    assert fits(1), "what the trial took is free again"


def test_step_of_fewer_images_has_a_lower_rate(make_request, metrics_of) -> None:
    """12 images by fives: two are left over, and have the square root of two fifths of the rate."""
    settings = ("train.epochs=1", "train.batch_size=5", "train.warmup_steps=0", "train.final_lr_factor=1")
    run = train_detector(make_request("run", *settings, validation=[]))
    rates = sorted(record["lr"] for record in metrics_of(run.folder, "train"))
    assert rates == pytest.approx([2e-4 * 0.4**0.5, 2e-4, 2e-4])


def test_the_rate_that_is_used_is_shown_and_noted(make_request, metrics_of) -> None:
    """12 images by fives: steps of 5, 5 and 2 images, each at 2e-4 / 10 for an image."""
    settings = ("train.epochs=1", "train.batch_size=5", "train.warmup_steps=0", "train.final_lr_factor=1")
    request = make_request("run", *settings, "train.lr_scaling=linear", "train.base_batch_size=10", validation=[])
    schedule = next(topic for topic in describe_run(request) if topic.name == "schedule")
    assert "peak learning rate 1.00e-04, scaled from 2.00e-04: linear in 5 / 10 images a step" in schedule.lines
    rates = sorted(record["lr"] for record in metrics_of(train_detector(request).folder, "train"))
    assert rates == pytest.approx([4e-5, 1e-4, 1e-4])


def test_a_size_that_auto_found_is_scaled_once(make_request, metrics_of) -> None:
    """On a CPU auto is 16 images, twice the base."""
    settings = ("train.epochs=1", "train.batch_size=auto", "train.warmup_steps=0", "data.augmentation.mosaic=0")
    request = make_request("run", *settings, "train.lr_scaling=linear", "train.base_batch_size=8", validation=[])
    (record,) = metrics_of(train_detector(request).folder, "train")
    assert record["lr"] == pytest.approx(4e-4 * 12 / 16)
