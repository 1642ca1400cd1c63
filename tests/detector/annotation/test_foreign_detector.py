"""A card through a detector of another program: boxes, tracks and names, as through ours."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image

import detector as hp
from detector.annotation.options import SeeingOptions
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.species.classifier import SpeciesClassifier
from tests.detector.models.onnx.onnx_files import FILES, picture

SIZE = (128, 96)


def save_moving_square(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for place in range(8):
            frame = picture(SIZE, (8 * place, 16, 8 * place + 40, 60))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())


def test_a_card_gets_its_birds_tracks_and_names(
    tmp_path: Path, species: SpeciesClassifier, settings: RunSettings
) -> None:
    card = tmp_path / "CARD"
    card.mkdir()
    Image.fromarray(picture(SIZE, (24, 16, 64, 60))).save(card / "bird.png")
    Image.fromarray(np.full((96, 128, 3), 30, np.uint8)).save(card / "blank.png")
    save_moving_square(card / "bird.mp4")
    model = hp.load_detector(FILES["YOLOv8, v11"].write(tmp_path / "finder.onnx"), "cpu")
    annotate(AnnotateRequest([card], tmp_path / "OUT", SeeingOptions()), Models(model, species), settings)
    decide(tmp_path / "OUT", DecideOptions())
    store = hp.Store(tmp_path / "OUT")
    media = {row["path"]: row for row in store.media.to_pylist()}
    found = store.detections.to_pylist()
    assert media["blank.png"]["blank"]
    assert {(row["kind"], row["label"]) for row in found} == {("bird", "bird")}
    in_video = [row for row in found if row["media_id"] == media["bird.mp4"]["media_id"]]
    assert len(in_video) > 3
    assert len({row["individual_id"] for row in in_video}) == 1
    assert all(row["candidates"] for row in found)
