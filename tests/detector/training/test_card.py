"""The model card that a run ends with."""

import pytest

from detector.models.saving import load_detector
from detector.training.run import train_detector


def test_a_run_ends_with_the_card_of_its_best_detector(make_request) -> None:
    run = train_detector(make_request())
    card = (run.folder / "model_card.md").read_text()
    assert _told(card) == pytest.approx(load_detector(run.best).meta.metrics["AP"], abs=0.001)
    assert "Pictures: 12" in card
    assert "train.json with pictures of images" in card
    assert "pictures/s" in card


def test_a_resumed_run_tells_of_the_best_detector_of_before(make_request, monkeypatch) -> None:
    broken = make_request("run", "train.checkpoint_steps=1")

    def stop_in_epoch_2(session: object, position: object, *_: object) -> bool:
        if position.epoch == 1 and position.batch:  # type: ignore[attr-defined]
            raise RuntimeError("the power went out")
        return True

    monkeypatch.setattr("detector.training.session.Session.checkpoint_is_due", stop_in_epoch_2)
    with pytest.raises(RuntimeError, match="power"):
        train_detector(broken)
    monkeypatch.undo()
    assert not (broken.output / "model_card.md").exists()
    best = (broken.output / "best.safetensors").read_bytes()
    monkeypatch.setattr("detector.training.session.Session._save_detector", lambda *_: None)  # none is better
    run = train_detector(make_request("run", "train.checkpoint_steps=1", resume=True))
    assert run.position.finished
    assert run.best.read_bytes() == best
    card = (run.folder / "model_card.md").read_text()
    assert _told(card) == pytest.approx(load_detector(run.best).meta.metrics["AP"], abs=0.001)


def test_without_a_validation_set_the_card_says_that_nothing_is_tested(make_request) -> None:
    run = train_detector(make_request("run", "train.epochs=1", validation=[]))
    assert "evaluated on no set" in (run.folder / "model_card.md").read_text()


def test_a_check_on_a_few_images_is_no_detector_to_hand_on(make_request) -> None:
    run = train_detector(make_request("run", "train.epochs=1", overfit=2))
    assert not (run.folder / "model_card.md").exists()


def _told(card: str) -> float:
    (line,) = [line for line in card.splitlines() if line.startswith("| AP (mean")]
    return float(line.split("|")[2].split()[0])
