"""`--speed fast`: which models are made fast, and when not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backbones.errors import ConfigError, DataError, HoopoeError
from detector.annotation.remembered import models_for
from detector.annotation.request import Models
from detector.api import speed
from detector.api.speed import checked_speed, models_at
from detector.base.content_hash import sha256_of
from detector.base.objects.address import Address
from detector.conversion import fast
from detector.conversion.photos import Chosen, Photos
from detector.conversion.quantising import Quantising, TooLossy
from detector.models.detector import Detector
from detector.models.prediction import detect
from detector.models.saving import load_detector
from detector.runtimes.manifest import EXPORT_FILE, ExportManifest
from detector.store.layout import facts_folder, fast_folder, part_name
from detector.store.run_file import DetectorEntry, RunFile
from detector.store.run_json import write_run
from detector.types import Detections
from tests.detector.runtimes.nano_models import nano_classifier, nano_detector


@pytest.fixture
def detector() -> Detector:
    return replace(nano_detector("davit_nano", detector="retinanet"), sha256="a" * 64)


def test_exact_models_stay_as_they_are(detector: Detector, tmp_path: Path) -> None:
    models = Models(detector)
    assert models_at("exact", models, tmp_path, []) is models


def test_an_export_stays_as_it_is(detector: Detector, tmp_path: Path) -> None:
    models = Models(replace(detector, runtime="openvino fp32"), replace(nano_classifier(), runtime="openvino fp32"))
    made = models_at("fast", models, tmp_path, [])
    assert made.detector is models.detector
    assert made.species is models.species


def test_another_speed_is_refused() -> None:
    with pytest.raises(ConfigError, match="exact or fast"):
        checked_speed("faster")


def test_a_store_of_the_exact_models_is_not_gone_on_with_fast(detector: Detector, tmp_path: Path) -> None:
    write_run(tmp_path, RunFile(detector=DetectorEntry(name="d", sha256=detector.sha256, categories=["bird", "fox"])))
    with pytest.raises(ConfigError, match="exact models"):
        models_at("fast", Models(detector), tmp_path, [])


def written_export(folder: Path, detector: Detector) -> str:
    """The hash of an export of a detector, now in a folder, but for its parts."""
    folder.mkdir(parents=True)
    said = {"kind": "detector", "runtime": "openvino", "precision": "int8", "parts": {}, "model": {}}
    ExportManifest.model_validate({**said, "source": {"name": "first", "sha256": detector.sha256}}).write(folder)
    return sha256_of(folder / EXPORT_FILE)


def test_an_export_that_facts_are_of_gives_way_to_no_other(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = written_export(fast_folder(tmp_path, "detector"), detector)
    made = DetectorEntry(name="d", sha256=sha256, categories=["bird", "fox"])
    write_run(tmp_path, RunFile(detector=made))
    other = Models(replace(detector, name="other", sha256="c" * 64))
    monkeypatch.setattr(speed, "fast_detector", lambda model, *_: model)
    assert models_at("fast", other, tmp_path, []).detector is other.detector  # nothing was seen with it yet
    facts_folder(tmp_path).mkdir()
    (facts_folder(tmp_path) / part_name(0)).touch()
    assert models_at("fast", Models(detector), tmp_path, []).detector is detector
    with pytest.raises(ConfigError, match="a fast export of first, not of other"):
        models_at("fast", other, tmp_path, [])


def test_a_store_that_was_moved_finds_the_model_that_was_made_for_it(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = fast_folder(tmp_path, "detector")
    made = DetectorEntry(
        name="d", sha256=written_export(place, detector), categories=["bird", "fox"], source="/before/fast/detector"
    )
    write_run(tmp_path, RunFile(detector=made))
    monkeypatch.setattr(Models, "of", lambda source, *_: Models(replace(detector, source=source, sha256=made.sha256)))
    assert models_for(tmp_path).detector.source == str(place)
    (place / EXPORT_FILE).write_text("another")
    with pytest.raises(ConfigError, match="is not at /before/fast/detector any more"):
        models_for(tmp_path)


def test_without_photos_it_is_bf16_once_and_says_so(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    made = models_at("fast", Models(detector), tmp_path, []).detector
    assert made.runtime.startswith("openvino")
    assert "0 photos can be read" in capsys.readouterr().err

    def never(*_: Any) -> None:
        raise AssertionError("it was made already")

    monkeypatch.setattr(fast, "export_plain", never)
    again = models_at("fast", Models(detector), tmp_path, []).detector
    assert again.sha256 == made.sha256
    assert models_at("fast", Models(again), tmp_path, []).detector is again


def test_a_classifier_is_measured_on_birds_of_other_photos(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [tmp_path / f"{grey:02}.png" for grey in range(39)]
    for grey, path in enumerate(photos):
        Image.new("RGB", (64, 64), (grey, grey, grey)).save(path)
    boxes = np.array([[4, 4, 40, 40], [8, 8, 50, 50]], np.float32)

    def bird_and_person(*_: Any, **__: Any) -> list[Detections]:
        return [Detections(boxes, np.full(2, 0.9, np.float32), np.array([0, 1]), ("bird", "person"))]

    monkeypatch.setattr(fast, "detect", bird_and_person)
    people = nano_detector("davit_nano", detector="retinanet")
    config = people.meta.config.model_copy(update={"categories": ("bird", "person")})
    people = replace(people, meta=replace(people.meta, config=config))
    chosen = Chosen(Photos(tuple(photos[:26])), Photos(tuple(photos[26:])))
    crops = fast._found_crops(nano_classifier(), people, chosen)
    assert [int(crop.max()) for crop in crops.calibrating] == list(range(26))  # one a photo: persons are no birds
    assert [int(crop.max()) for crop in crops.held_out] == list(range(26, 39))
    with pytest.raises(DataError, match="11 to measure on"):
        fast._found_crops(nano_classifier(), people, replace(chosen, held_out=Photos(tuple(photos[26:37]))))


def lossy(faultless: tuple[str, ...] | None, tried: list[tuple[str, ...]]) -> Any:
    """An export that loses too much unless these layers are out of 8 bits."""

    def export(_model: Any, _folder: Path, _target: Any, asked: Quantising, _photos: Any) -> str:
        tried.append(asked.keep_float)
        if asked.keep_float == faultless:
            return "made"
        error = TooLossy("in 8 bits the model loses too much")
        error.to_blame = ("stage1", "head", "fpn")
        raise error

    return export


def test_layers_that_lose_birds_leave_8_bits_one_after_the_other(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Chosen(Photos(()), Photos(()))
    tried: list[tuple[str, ...]] = []
    monkeypatch.setattr(fast, "export_detector_int8", lossy(("stage1", "head"), tried))
    made: Any = fast._least_float(detector, tmp_path, nothing)
    assert made == "made"
    assert tried == [(), ("stage1",), ("stage1", "head")]
    tried.clear()
    monkeypatch.setattr(fast, "export_detector_int8", lossy(None, tried))
    with pytest.raises(TooLossy):
        fast._least_float(detector, tmp_path, nothing)
    assert tried[-1] == ("stage1", "head")


@pytest.mark.slow
def test_8_bits_are_measured_and_a_spoiled_export_names_layers(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf")
    from detector.conversion import agreement, detector_int8
    from detector.conversion.export import Target
    from detector.conversion.photos import chosen_photos

    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(15):
        Image.fromarray(rng.integers(0, 255, (96, 128, 3), np.uint8)).save(tmp_path / "photos" / f"{number:02}.png")
    photos = chosen_photos(tmp_path / "photos")
    asked = Quantising(tmp_path / "photos", allow_loss=True)
    target = Target(precision="int8")
    manifest = detector_int8.export_detector_int8(detector, tmp_path / "int8", target, asked, photos)
    assert manifest.agreement["photos"] == 5
    assert any("too few to judge" in doubt for doubt in manifest.agreement["doubts"])
    assert "in 8 bits: " in capsys.readouterr().err
    loaded = load_detector(tmp_path / "int8", "cpu")
    assert loaded.runtime.startswith("openvino int8")
    assert len(detect(loaded, list(photos.held_out))) == 5
    monkeypatch.setattr(agreement, "SHOWN_FROM", 0.0)  # all boxes count, and none is found
    monkeypatch.setattr(agreement, "SAME_BOX", 2.0)
    with pytest.raises(HoopoeError, match="loses too much"):
        detector_int8.export_detector_int8(
            detector, tmp_path / "refused", target, replace(asked, allow_loss=False), photos
        )
    assert not (tmp_path / "refused").exists()


def test_cards_among_objects_are_taken_where_nothing_is_left_to_calibrate(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Address("s3", "birds", "card")
    with pytest.raises(ConfigError, match="on a disk"):
        models_at("fast", Models(detector), tmp_path, [bucket])
    written_export(fast_folder(tmp_path, "detector"), detector)
    monkeypatch.setattr(fast, "load_exported", lambda folder, _: replace(detector, source=str(folder)))
    pytest.importorskip("nncf")
    made = models_at("fast", Models(detector), tmp_path, [bucket]).detector
    assert made.source == str(fast_folder(tmp_path, "detector"))
    with pytest.raises(ConfigError, match="on a disk"):  # of this one there is no export yet
        models_at("fast", Models(detector, nano_classifier()), tmp_path, [bucket])
    export = Models(replace(detector, runtime="openvino fp32"))
    assert models_at("fast", export, tmp_path / "other", [bucket]).detector is export.detector
