"""Confirmed blanks: taught as background in a bounded share, hard ones more often, and never a bird among them."""

import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import detector as hp
from backbones.errors import CheckpointError, ConfigError, DataError
from detector.api.predict import predict
from detector.cli.main import main
from detector.data.config import NegativesConfig
from detector.data.negatives import read_negatives
from detector.evaluation.detecting import DetectionOptions
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from detector.models.saving import load_detector, save_detector
from detector.training import run as running
from detector.training.checkpoints import load_checkpoint
from detector.training.config import Config
from detector.training.negatives import HardNegatives
from detector.training.resolving import resolve
from detector.training.run import train_detector


@pytest.fixture(scope="module")
def blanks(tmp_path_factory):
    """Twelve pictures of noise, in two cameras' folders."""
    folder = tmp_path_factory.mktemp("blanks")
    rng = np.random.default_rng(0)
    for number in range(12):
        path = folder / f"cam{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (72, 96, 3), np.uint8)).save(path)
    return folder


SMALL = ("model.min_size=64", "model.max_size=64", "train.batch_size=6")
SHORT = (*SMALL, "data.negatives.mine_epochs=1", "data.negatives.mined=4", "data.negatives.score=0.06")


def test_a_folder_without_pictures_is_no_set_of_negatives(make_request, tmp_path):
    with pytest.raises(ConfigError, match="no picture in this folder"):
        train_detector(make_request(negatives=[tmp_path]))


def test_negatives_that_cannot_be_read_are_listed(blanks, tmp_path):
    folder = shutil.copytree(blanks, tmp_path / "some")
    (folder / "torn.jpg").write_bytes(b"no picture")
    negatives, left_out = read_negatives([folder], first_id=100)
    assert len(negatives) == 12
    assert negatives.image_ids.tolist() == list(range(100, 112))
    assert (negatives.sizes_wh == [96, 72]).all()
    assert list(left_out) == ["torn.jpg"]
    data = (folder / "cam0" / "0.png").read_bytes()
    (folder / "cam0" / "0.png").write_bytes(data[: len(data) // 2])
    assert len(read_negatives([folder])[0]) == 12
    assert list(read_negatives([folder], to_the_end=True)[1]) == ["cam0/0.png", "torn.jpg"]


@pytest.fixture(scope="module")
def stopping():
    """Run until a step of the second epoch is done."""

    def stopped(request):
        opened = running.open_session

        def open_session(fabric, resolved):
            session = opened(fabric, resolved)
            log = session.log

            def log_and_stop(position, *rest):
                log(position, *rest)
                if (position.epoch, position.batch) == (1, 1):
                    session.stop.signal = signal.SIGTERM

            session.log = log_and_stop
            return session

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "open_session", open_session)
            return train_detector(request)

    return stopped


def test_a_run_with_negatives_goes_on_exactly(blanks, make_request, stopping, differing):
    data = {"negatives": [blanks], "validation": []}
    whole = train_detector(make_request("whole", *SHORT, **data))
    assert not stopping(make_request("parts", *SHORT, **data)).position.finished
    parts = train_detector(make_request("parts", *SHORT, **data, resume=True))
    assert differing(whole.folder, parts.folder) == []
    assert 0 < load_checkpoint(whole.files.last, Config).false_scores.max() <= 1
    assert whole.files.data_summary()["negatives"]["report"]["images"] == 12
    assert whole.files.data_files()["negatives"] == [(blanks, blanks)]


def test_other_negatives_are_other_data(blanks, make_request, tmp_path):
    request = make_request(negatives=[blanks])
    data = resolve(request).data
    summary = data.summary(request.config.model)
    fewer = shutil.copytree(blanks, tmp_path / "fewer")
    (fewer / "cam0" / "0.png").unlink()
    other, none = (resolve(replace(request, negatives=each)).data for each in ([fewer], []))
    assert len({each.fingerprint for each in (data, other, none)}) == 3
    assert list(data.changes_since(summary)) == []
    assert list(other.changes_since(summary)) == ["negatives had 12 images and 0 boxes, and has 11 and 0"]
    assert list(none.changes_since(summary)) == ["there is no set negatives"]


def test_negatives_with_birds_or_of_the_validation_set_are_refused(drawn_set, make_request, tmp_path):
    request = make_request(negatives=[drawn_set / "images"])
    with pytest.raises(DataError, match="have boxes in the training set"):
        resolve(request)
    path = tmp_path / "blank.json"
    path.write_text(json.dumps(json.loads((drawn_set / "train.json").read_text()) | {"annotations": []}))
    with pytest.raises(DataError, match="in the validation set"):
        resolve(replace(request, train=[(path, drawn_set / "images")]))
    with pytest.raises(ConfigError, match="exclude each other"):
        resolve(replace(request, overfit=2))


def test_cameras_of_the_validation_set_are_told(blanks, make_request, drawn_set, tmp_path):
    document = json.loads((drawn_set / "val.json").read_text())
    for record in document["images"]:
        record["location"] = "CAM1"
    path = tmp_path / "val.json"
    path.write_text(json.dumps(document))
    request = make_request(validation=[(path, drawn_set / "images")], negatives=[blanks])
    (line,) = [line for line in resolve(request).data.lines() if "cameras" in line]
    assert "6 pictures are of cameras of the validation set (cam1)" in line


# --- hard ones --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector():
    config = ModelConfig(
        backbone="davit_nano", min_size=64, max_size=64, fpn_channels=64, box_head_width=32, categories=("owl", "tit")
    )
    return Detector.of(build_detector(config), "fp32")


def like(blanks, names):
    negatives, _ = read_negatives([blanks])
    return replace(negatives, category_names=names, category_ids=tuple(range(1, len(names) + 1)))


def searched(detector, images, **settings):
    hard = HardNegatives(images, NegativesConfig(score=0.01, **settings), seed=0)
    seen = hard.search(detector, 3, DetectionOptions(score_threshold=0.01), lambda images: None)
    return hard, seen


def test_a_search_keeps_the_surest_bird_of_each_picture_that_it_looked_at(detector, blanks):
    images = like(blanks, ("owl", "tit"))
    hard, seen = searched(detector, images, mined=5)
    assert len(seen) == 5
    for place in range(12):
        (found,) = predict(detector, [images.path(place)])
        expected = found.scores.max(initial=0.0) if place in seen else 0.0
        assert hard.scores[place] == pytest.approx(expected if expected >= 0.01 else 0.0, abs=1e-5)
    assert (searched(detector, images, mined=5)[1] == seen).all()


def test_only_birds_of_the_training_set_count_if_the_detector_knows_any(detector, blanks):
    everything = searched(detector, like(blanks, ("owl", "tit")))[0].scores
    tits = searched(detector, like(blanks, ("tit",)))[0].scores
    unknown = searched(detector, like(blanks, ("dipper",)))[0].scores
    assert (tits < everything).all()
    assert (unknown == everything).all()


def test_searches_come_every_few_epochs_and_before_the_first_only_by_a_detector_to_start_from(blanks):
    hard = HardNegatives(like(blanks, ()), NegativesConfig(mine_epochs=2), seed=0)
    assert [hard.are_due(epoch, has_start=False) for epoch in range(5)] == [False, False, True, False, True]
    assert hard.are_due(0, has_start=True)
    never = HardNegatives(like(blanks, ()), NegativesConfig(mine_epochs=None), seed=0)
    assert not never.are_due(0, has_start=True)


def test_a_checkpoint_of_other_negatives_is_refused(blanks):
    hard = HardNegatives(like(blanks, ()), NegativesConfig(), seed=0)
    with pytest.raises(CheckpointError, match="12 negatives"):
        hard.restore(np.zeros(3, np.float32))
    hard.restore(np.full(12, 0.5, np.float32))
    assert hard.hard.all()


def test_a_run_from_a_detector_begins_with_those_that_it_finds_birds_in(blanks, make_request, tmp_path, detector):
    start = tmp_path / "start.safetensors"
    save_detector(start, detector)
    settings = (*SMALL, "train.epochs=1", "data.negatives.score=0.01")
    run = train_detector(make_request("run", *settings, validation=[], negatives=[blanks], init=str(start)))
    scores = load_checkpoint(run.files.last, Config).false_scores
    assert (
        scores
        == searched(load_detector(start, "cpu", "fp32"), like(blanks, ("none of its names",)), mined=12)[0].scores
    ).all()


def test_the_command_and_the_library_take_folders_and_a_run_knows_its_own(
    blanks, command, tiny_yaml, drawn_set, tmp_path
):
    run = tmp_path / "run"
    settings = ["--set", *SMALL, "train.epochs=1", "data.negatives.share=0.1", "data.licence=CC0-1.0"]
    assert main(command(tiny_yaml, run, "--negatives", str(blanks / "cam0"), *settings)) == 0
    assert main(["train", "--resume", str(run)]) == 0, "finished, with the same negatives"
    card = (run / "model_card.md").read_text()
    assert "Further pictures without birds, taught as background: 6" in card
    assert "The training pictures and boxes: CC0-1.0" in card
    data = (drawn_set / "train.json", drawn_set / "images")
    with pytest.raises(ConfigError, match="no such folder"):
        hp.train(tiny_yaml, train=data, output=tmp_path / "other", negatives=tmp_path / "none")
    with pytest.raises(DataError, match="have boxes in the training set"):
        hp.train(tiny_yaml, train=data, output=tmp_path / "other", negatives=[blanks, drawn_set / "images"])
