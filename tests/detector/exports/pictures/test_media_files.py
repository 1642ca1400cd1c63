"""Crops, drawn photos and drawn videos of real files on a card."""

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from backbones.errors import ConfigError, HoopoeError
from detector.exports.pictures.crops import make_crops, write_crops
from detector.exports.pictures.images import make_image
from detector.exports.pictures.media_files import INDEX, MediaTask, locate
from detector.exports.pictures.videos import MovingBoxes, make_video
from detector.exports.source import ExportOptions

ORANGE = (240, 120, 20)


def save_photo(path: Path, size_wh=(640, 480)) -> None:
    """A grey photo whose bird, at x 0.25, y 0.5, w 0.125, h 0.25, is an orange patch."""
    pixels = np.full((size_wh[1], size_wh[0], 3), 100, np.uint8)
    y, x = round(0.5 * size_wh[1]), round(0.25 * size_wh[0])
    pixels[y : y + size_wh[1] // 4, x : x + size_wh[0] // 8] = ORANGE
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_video(path: Path, frames=12, size_wh=(161, 121), rate=4) -> None:
    """Frames that grow brighter, of an odd size, 4 a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if path.suffix == ".mkv" else "mjpeg", rate=rate)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "bgr0" if path.suffix == ".mkv" else "yuvj420p"
        for number in range(frames):
            pixels = np.full((size_wh[1], size_wh[0], 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def task_for(file, record, folder):
    return MediaTask(file, record, record.shown(0.2), folder)


def read_index(folder):
    with (folder / INDEX).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def pictures_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {INDEX}


def test_an_empty_store_gives_an_empty_index(tmp_path, make):
    assert write_crops(make.source(), tmp_path, ExportOptions()) == [tmp_path / "crops" / INDEX]
    assert read_index(tmp_path / "crops") == []


def test_a_crop_is_the_bird_with_a_margin_at_full_resolution(tmp_path, make):
    save_photo(tmp_path / "a.png")
    record = make.media("a.png", make.detection())
    [made] = make_crops(task_for(tmp_path / "a.png", record, tmp_path / "crops"))
    assert made.name.startswith("Oenanthe lugens/CAM1 a_")
    pixels = np.asarray(Image.open(tmp_path / "crops" / made.name))
    assert pixels.shape == (144, 96, 3)
    np.testing.assert_allclose(pixels[20:-20, 15:-15].mean((0, 1)), ORANGE, atol=4)
    np.testing.assert_allclose(pixels[:6, :4].mean((0, 1)), 100, atol=4)


def test_a_box_at_the_edge_or_without_size_still_gives_a_crop(tmp_path, make):
    save_photo(tmp_path / "a.png")
    boxes = [make.detection(x=-0.01, y=0.9, w=0.1, h=0.2), make.detection(x=1.0, y=1.0, w=0.0, h=0.0, box=1)]
    made = list(make_crops(task_for(tmp_path / "a.png", make.media("a.png", *boxes), tmp_path / "crops")))
    assert all(min(Image.open(tmp_path / "crops" / one.name).size) >= 1 for one in made)
    assert len(made) == 2


def test_crops_of_a_video_come_from_their_own_frames(tmp_path, make):
    save_video(tmp_path / "v.mkv")
    found = [make.detection(frame_number=number, time_s=number / 4) for number in (2, 10)]
    record = make.video("v.mkv", *found, frames=(2, 6, 10))
    made = list(make_crops(task_for(tmp_path / "v.mkv", record, tmp_path / "crops")))
    brightness = [np.asarray(Image.open(tmp_path / "crops" / one.name)).mean() for one in made]
    assert brightness == pytest.approx([40, 200], abs=3)


def test_one_unreadable_file_costs_only_itself_and_old_crops_go(tmp_path, make):
    card, folder = tmp_path / "card", tmp_path / "crops"
    for name in ("a.png", "sub/a.png"):
        save_photo(card / name)
    (card / "broken.jpg").write_bytes(b"<html>no picture</html>")
    said = []
    options = ExportOptions(roots={"A": card}, fault=said.append)
    birds = [make.media("a.png", make.detection()), make.media("sub/a.png", make.detection(), make.person(box=1))]
    lost = [make.media("broken.jpg", make.detection()), make.media("gone.jpg", make.detection())]
    write_crops(make.source([*birds, *lost, make.media("../../x.jpg", make.detection())]), tmp_path, options)
    first = pictures_in(folder)
    assert first == {row["picture"] for row in read_index(folder)}
    assert sorted(name.split("/")[0] for name in first) == ["Oenanthe lugens", "Oenanthe lugens", "person"]
    assert len(said) == 3
    assert any("broken.jpg" in sentence for sentence in said)

    (folder / "Oenanthe lugens" / "mine.txt").write_text("kept")
    changed = make.media("a.png", make.detection(name="Passer domesticus"))
    write_crops(make.source([changed]), tmp_path, options)
    assert {name.split("/")[0] for name in pictures_in(folder)} == {"Oenanthe lugens", "Passer domesticus"}
    assert (folder / "Oenanthe lugens" / "mine.txt").read_text() == "kept"
    assert not (folder / "person").exists()


def test_pictures_of_a_card_that_is_not_there_stay(tmp_path, make):
    card, folder = tmp_path / "card", tmp_path / "crops"
    save_photo(card / "a.png")
    bird = make.media("a.png", make.detection())
    source = make.source([bird])
    write_crops(source, tmp_path, ExportOptions(roots={"A": card}))
    (before,) = read_index(folder)
    for options, here in (
        (ExportOptions(roots={"A": tmp_path / "gone"}), source),  # no file of it is there
        (ExportOptions(roots={"A": card}), replace(source, absent=lambda roots: dict.fromkeys(roots, "another card"))),
    ):
        said = []
        write_crops(here, tmp_path, replace(options, fault=said.append))
        assert read_index(folder) == [before]
        assert pictures_in(folder) == {before["picture"]}
        assert len(said) == 1
        assert "card 'A'" in said[0]
    (card / "a.png").write_bytes(b"no picture any more")
    write_crops(source, tmp_path, ExportOptions(roots={"A": card}))
    assert read_index(folder) == [before]
    write_crops(make.source([]), tmp_path, ExportOptions(roots={"A": card}))
    assert pictures_in(folder) == set()


def test_an_index_that_points_elsewhere_removes_nothing_there(tmp_path, make):
    (tmp_path / "crops").mkdir()
    precious = tmp_path / "precious.jpg"
    precious.write_text("mine")
    (tmp_path / "crops" / INDEX).write_text(f"picture\n../precious.jpg\n{precious}\n", encoding="utf-8-sig")
    write_crops(make.source(), tmp_path, ExportOptions())
    assert precious.exists()


def test_paths_out_of_the_card_are_refused(make):
    for path in ("../x.jpg", "a/../../x.jpg", "/etc/passwd"):
        with pytest.raises(HoopoeError, match="not under a card"):
            locate(make.media(path), {"A": "/cards/A"})
    with pytest.raises(HoopoeError, match="not under a card"):
        locate(make.media("x.jpg", card="B"), {"A": "/cards/A"})


def test_names_of_taxa_and_cameras_cannot_leave_the_folder(tmp_path, make):
    save_photo(tmp_path / "a.png")
    found = make.detection(name="../../../evil")
    record = make.media("a.png", found, deployment_id="../../camera/1")
    [made] = make_crops(task_for(tmp_path / "a.png", record, tmp_path / "deep" / "crops"))
    assert (tmp_path / "deep" / "crops" / made.name).resolve().is_relative_to(tmp_path / "deep" / "crops")
    assert made.name.count("/") == 1


def test_an_unknown_card_is_an_error(tmp_path, make):
    with pytest.raises(ConfigError, match="no card 'B'"):
        write_crops(make.source(), tmp_path, ExportOptions(roots={"B": tmp_path}))


def test_a_drawn_photo_has_its_box_and_keeps_the_rest(tmp_path, make):
    save_photo(tmp_path / "a.png", (3000, 2250))
    [made] = make_image(task_for(tmp_path / "a.png", make.media("a.png", make.detection()), tmp_path / "images"))
    drawn = np.asarray(Image.open(tmp_path / "images" / made.name)).astype(int)
    save_photo(tmp_path / "small.png", (1920, 1440))
    plain = np.asarray(Image.open(tmp_path / "small.png")).astype(int)
    assert drawn.shape == plain.shape
    differs = np.abs(drawn - plain).max(-1) > 40
    rows, columns = np.nonzero(differs)
    assert 475 <= columns.min() <= 480
    assert 1080 <= rows.max() <= 1086
    assert not differs[:600].any()


def test_a_box_is_seen_half_of_the_way_to_the_frames_around_it(make):
    boxes = MovingBoxes((0, 30, 60), (make.detection(frame_number=30),))
    seen = [bool(boxes.at(number)) for number in (0, 14, 15, 30, 44, 45, 60, 90)]
    assert seen == [False, False, True, True, True, False, False, False]
    assert MovingBoxes((), ()).at(5) == ()
    last = MovingBoxes((0, 30), (make.detection(frame_number=30),))
    assert [bool(last.at(number)) for number in (30, 44, 45)] == [True, True, False]


def test_the_box_of_an_individual_moves_from_frame_to_frame(make):
    bird = make.detection(frame_number=0, individual_id="a", x=0.25, w=0.25, score=0.5)
    later = make.detection(frame_number=30, individual_id="a", x=0.5, w=0.5, score=0.75)
    other = make.detection(frame_number=0, individual_id="b", x=0.75)
    boxes = MovingBoxes((0, 30, 60), (bird, other, later))
    assert boxes.at(0) == (bird, other)
    [early, stays] = boxes.at(12)
    assert (early.x, early.w, early.score) == (pytest.approx(0.35), pytest.approx(0.35), 0.5)
    assert stays == other
    [near] = boxes.at(24)
    assert (near.x, near.w, near.score) == (pytest.approx(0.45), pytest.approx(0.45), 0.75)
    assert boxes.at(30) == (later,)


def test_a_drawn_video_has_all_frames_at_their_times(tmp_path, make):
    save_video(tmp_path / "v.avi")
    found = make.detection(frame_number=4, time_s=1.0)
    record = make.video("v.avi", found, frames=(0, 4, 8))
    [made] = make_video(task_for(tmp_path / "v.avi", record, tmp_path / "videos"))
    with av.open(str(tmp_path / "videos" / made.name)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name in ("h264", "mpeg4")
        frames = list(container.decode(stream))
    assert len(frames) == 12
    assert [float(frame.time) for frame in frames] == pytest.approx([number / 4 for number in range(12)], abs=1e-3)
    assert (frames[0].width, frames[0].height) == (160, 120)
    colourful = [np.ptp(frame.to_ndarray(format="rgb24").astype(int), axis=-1).max() > 60 for frame in frames]
    assert colourful == [False] * 2 + [True] * 4 + [False] * 6


def test_a_time_lapse_of_a_frame_an_hour_is_drawn(tmp_path, make):
    save_video(tmp_path / "v.avi", frames=3, rate=Fraction(1, 3600))
    record = make.video("v.avi", make.detection(), frames=(0,))
    [made] = make_video(task_for(tmp_path / "v.avi", record, tmp_path / "videos"))
    with av.open(str(tmp_path / "videos" / made.name)) as container:
        assert [float(frame.time) for frame in container.decode(video=0)] == [0, 3600, 7200]
