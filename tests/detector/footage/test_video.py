"""Frames of a video are those of a full decode, with their numbers and times, whatever was skipped on the way."""

import io
import itertools
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import ConfigError, MediaError
from detector.footage.frame_index import FrameIndex
from detector.footage.sampling import parse_sampling, plan_runs, sampled_frames
from detector.footage.video import Video
from tests.detector.footage.conftest import number_in, numbered, real_media, scene, write_mjpeg_avi, write_video

SAMPLINGS = [1.0, 0.37, "keyframes", "all"]
CODECS = {
    "mp4": ("libx264", "yuv420p", {"bf": "3"}),
    "mov": ("libx264", "yuv420p", {"bf": "0"}),
    "mkv": ("libx264", "yuv444p", {"bf": "2", "x264-params": "open-gop=1"}),
    "hevc.mp4": ("libx265", "yuv420p", {"x265-params": "log-level=none:bframes=4"}),
    "avi": ("mjpeg", "yuvj422p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "h264.avi": ("libx264", "yuv420p", {"bf": "3"}),  # the container keeps no order of display
    "mts": ("libx264", "yuv420p", {"bf": "2"}),
}


def full_decode(file: Path) -> list[tuple[float, np.ndarray]]:
    """Every frame in the order shown, with its time after the first: an independent reference."""
    with av.open(str(file)) as container:
        frames = list(container.decode(video=0))
        return [(float(frame.time - frames[0].time), frame.to_ndarray(format="rgb24")) for frame in frames]


@pytest.mark.parametrize("file", real_media("video")[::3], ids=lambda file: file.name)
def test_real_videos_match_a_full_decode(file: Path) -> None:
    reference = full_decode(file)
    video = Video(file)
    assert video.info.frames == len(reference)
    assert video.warning is None
    for sampling in (1.0, "keyframes"):
        for frame in video.read(sampling):
            time_s, image = reference[frame.frame_number]
            assert frame.time_s == pytest.approx(time_s, abs=1e-9)
            assert np.array_equal(frame.image, image)


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_container_gives_exact_numbers_times_and_pixels(tmp_path: Path, kind: str, threads: int) -> None:
    codec, pixels, options = CODECS[kind]
    images = [numbered(number) for number in range(60)]
    file = write_video(tmp_path / f"video.{kind}", images, codec, pixels=pixels, options=options)
    reference = full_decode(file)
    video = Video(file, threads=threads)
    assert video.info.frames == 60
    assert video.info.duration_s == pytest.approx(6.0)
    assert video.info.frame_rate == pytest.approx(10.0)
    for sampling in SAMPLINGS:
        frames = list(video.read(sampling))
        assert frames
        assert all(number_in(frame.image) == frame.frame_number for frame in frames)
        assert [frame.time_s for frame in frames] == pytest.approx([frame.frame_number / 10 for frame in frames])
        assert all(np.array_equal(frame.image, reference[frame.frame_number][1]) for frame in frames)
    assert [frame.frame_number for frame in video.read("all")] == list(range(60))
    assert [frame.frame_number for frame in video.read(1.0)] == [0, 10, 20, 30, 40, 50]
    assert video.warning is None


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_variable_frame_rate_keeps_the_frames_own_times(tmp_path: Path, kind: str) -> None:
    times_ms = [0, 40, 80, 1000, 1400, 1401, 5000, 5040, 9990, 12345]
    images = [numbered(number) for number in range(len(times_ms))]
    unit = Fraction(1, 1000)
    video = Video(write_video(tmp_path / f"video.{kind}", images, pts=times_ms, unit=unit, gop=4))
    frames = list(video.read("all"))
    assert [frame.time_s for frame in frames] == pytest.approx([time / 1000 for time in times_ms], abs=1e-6)
    assert [number_in(frame.image) for frame in frames] == list(range(len(times_ms)))
    # at 0, 1, 2 ... s a viewer sees frames 0, 3, 5, 5, 5, 6, 7, 7, 7, 7, 8, 8, 8
    assert [frame.frame_number for frame in video.read(1.0)] == [0, 3, 5, 6, 7, 8]


def test_long_groups_of_pictures_are_followed_from_their_keyframe(tmp_path: Path) -> None:
    images = [numbered(number) for number in range(150)]
    video = Video(write_video(tmp_path / "video.mp4", images, gop=100, options={"bf": "3"}))
    frames = list(video.read(0.7))
    assert [frame.frame_number for frame in frames] == list(range(0, 150, 7))
    assert all(number_in(frame.image) == frame.frame_number for frame in frames)


def test_frames_are_read_by_their_numbers(tmp_path: Path) -> None:
    video = Video(write_video(tmp_path / "video.mp4", [numbered(number) for number in range(60)], gop=20))
    frames = list(video.read_numbers([59, 7, 8, 7, 1000, -1]))
    assert [(frame.frame_number, number_in(frame.image)) for frame in frames] == [(7, 7), (8, 8), (59, 59)]


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 3), (180, 2), (270, 1)])
def test_rotation_metadata_turns_the_picture_upright(tmp_path: Path, rotation: int, turns: int) -> None:
    upright = numbered(0b1011000101, 96, 64)
    stored = np.ascontiguousarray(np.rot90(upright, turns))
    video = Video(write_video(tmp_path / "video.mp4", [stored] * 3, rotation=rotation))
    frame = next(video.read())
    assert video.info.size_wh == frame.size_wh == (96, 64)
    assert frame.image.shape == (64, 96, 3)
    assert number_in(frame.image) == 0b1011000101


def test_a_mirroring_matrix_is_followed(tmp_path: Path) -> None:
    upright = numbered(0b0000100010)
    file = write_video(tmp_path / "video.mp4", [np.ascontiguousarray(upright[:, ::-1])], rotation=180)
    one = (65536).to_bytes(4, "big", signed=True)
    minus_one, zero = (-65536).to_bytes(4, "big", signed=True), bytes(4)
    data = file.read_bytes()
    assert data.count(minus_one + zero * 3 + minus_one) == 1  # the half turn in the track's header
    file.write_bytes(data.replace(minus_one + zero * 3 + minus_one, minus_one + zero * 3 + one))
    assert number_in(next(Video(file).read()).image) == 0b0000100010


def jpeg(image: np.ndarray, subsampling: int) -> bytes:
    output = io.BytesIO()
    Image.fromarray(image).save(output, "JPEG", quality=95, subsampling=subsampling)
    return output.getvalue()


def test_an_avi_may_change_its_pixel_format_after_the_first_frame(tmp_path: Path) -> None:
    # Bushnell's cameras write such files: agentmorris/MegaDetector#237
    images = [scene(number) for number in range(8)]
    jpegs = [jpeg(image, subsampling=2 if number == 0 else 1) for number, image in enumerate(images)]
    for frame in Video(write_mjpeg_avi(tmp_path / "video.avi", jpegs, (96, 64))).read("all"):
        assert np.abs(frame.image.astype(int) - images[frame.frame_number]).mean() < 8  # misread, it is above 40


def test_an_avi_may_change_its_size(tmp_path: Path) -> None:
    jpegs = [jpeg(scene(0, 96, 64), 2), jpeg(scene(1, 96, 64), 2), jpeg(scene(2, 64, 48), 2), jpeg(scene(3, 64, 48), 2)]
    frames = list(Video(write_mjpeg_avi(tmp_path / "video.avi", jpegs, (96, 64))).read("all"))
    assert [frame.size_wh for frame in frames] == [(96, 64), (96, 64), (64, 48), (64, 48)]


def test_full_range_colours_are_not_stretched(tmp_path: Path) -> None:
    grey = np.full((64, 96, 3), 30, np.uint8)
    frame = next(Video(write_mjpeg_avi(tmp_path / "video.avi", [jpeg(grey, 2)], (96, 64))).read())
    assert abs(int(frame.image.mean()) - 30) <= 1
    frame = next(Video(write_video(tmp_path / "video.mp4", [grey])).read())
    assert abs(int(frame.image.mean()) - 30) <= 2


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "container"),
    [
        ("video.mp4", "libx264", "yuv420p", {"movflags": "faststart"}),
        ("video.mkv", "libx264", "yuv420p", {}),
        ("video.avi", "mjpeg", "yuvj420p", {}),
    ],
)
def test_of_a_truncated_video_the_frames_before_the_end_are_read(
    tmp_path: Path, name: str, codec: str, pixels: str, container: dict[str, str]
) -> None:
    images = [numbered(number) for number in range(100)]
    file = write_video(tmp_path / name, images, codec, pixels=pixels, container=container)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * 0.7)])
    video = Video(file)
    frames = list(video.read("all"))
    assert 20 < len(frames) < 90
    assert all(number_in(frame.image) / 10 == pytest.approx(frame.time_s) for frame in frames)
    # the last group's frames are shown in another order than they are written, and some of them are missing
    assert all(number_in(frame.image) == frame.frame_number for frame in frames[:-4])
    assert video.info.duration_s == pytest.approx(frames[-1].time_s + 0.1)
    assert video.warning == f"it ends at {video.info.duration_s:.2f} s, its header says 10.00 s"


def test_a_wrong_duration_in_the_header_is_not_believed(tmp_path: Path) -> None:
    file = write_video(tmp_path / "video.mp4", [numbered(number) for number in range(30)])
    data = file.read_bytes()
    place = data.index(b"mvhd") + 4 + 16  # version and flags, two times, time scale; then the duration
    file.write_bytes(data[:place] + (3_600_000).to_bytes(4, "big") + data[place + 4 :])
    video = Video(file)
    assert video.info.duration_s == pytest.approx(3.0)
    assert [frame.frame_number for frame in video.read(1.0)] == [0, 10, 20]


@pytest.mark.parametrize("name", ["video.mkv", "video.mp4", "video.mov", "video.ts"])
def test_pictures_that_begin_late_miss_nothing(tmp_path: Path, name: str) -> None:
    images = [numbered(number) for number in range(30)]
    video = Video(write_video(tmp_path / name, images, pts=range(50, 80)))
    assert [(frame.frame_number, frame.time_s) for frame in video.read(1.0)] == [(0, 0.0), (10, 1.0), (20, 2.0)]
    assert video.warning is None


def test_damage_in_the_middle_costs_the_frames_that_it_hits(tmp_path: Path) -> None:
    file = write_video(tmp_path / "video.mp4", [numbered(number) for number in range(100)], gop=10)
    data = bytearray(file.read_bytes())
    start, chance = len(data) // 3, random.Random(0)
    data[start : start + 200] = bytes(chance.randrange(256) for _ in range(200))
    file.write_bytes(data)
    video = Video(file)
    frames = list(video.read("all"))
    assert 70 <= len(frames) < 100
    assert sum(number_in(frame.image) != frame.frame_number for frame in frames) < 20
    assert video.warning
    assert f"{100 - len(frames)} of 100 frames could not be decoded" in video.warning
    assert [frame.frame_number for frame in frames] == sorted({frame.frame_number for frame in frames})


def bad_files(folder: Path) -> dict[str, Path]:
    mp4 = write_video(folder / "whole.mp4", [numbered(number) for number in range(20)]).read_bytes()
    contents = {
        "empty.mp4": b"",
        "page.mp4": b"\n<!DOCTYPE html><html><body>404</body></html>",
        "photo.avi": jpeg(scene(0), 2),
        "zeros.mov": bytes(4096),
        "cut.mp4": mp4[: len(mp4) // 2],  # its table of frames is at the end
        "playlist.mp4": f"#EXTM3U\n#EXTINF:9,\n{folder}/whole.mp4\n#EXT-X-ENDLIST\n".encode(),
        "noise.mkv": np.random.default_rng(0).bytes(5000),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.mp4").mkdir()
    return {name: folder / name for name in (*contents, "folder.mp4", "absent.mp4")}


def test_what_is_no_video_says_what_it_is(tmp_path: Path) -> None:
    problems = {}
    for name, file in bad_files(tmp_path).items():
        with pytest.raises(MediaError) as caught:
            list(Video(file).read())
        problems[name] = caught.value.problem
        assert caught.value.where == str(file)
        assert caught.value.hint
    assert problems["empty.mp4"] == "the file is empty"
    assert problems["page.mp4"] == "this is an HTML page, not a video"
    assert problems["photo.avi"] == "this is a JPEG image, not a video"
    assert problems["cut.mp4"] == "this is an MP4 video, but damaged or truncated: its table of frames is missing"
    assert problems["playlist.mp4"] == "this is a text file, not a video"
    assert "zeros" in problems["zeros.mov"]
    assert "cannot be read" in problems["absent.mp4"]


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def test_a_video_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no pictures in it"):
        Video(write_sound(tmp_path / "sound.mp4"))
    file = write_video(tmp_path / "video.mkv", [numbered(0)])
    data = file.read_bytes()
    cluster = data.index(b"\x1f\x43\xb6\x75")
    file.write_bytes(data[: cluster + 20])  # the header, and a cluster without a frame
    with pytest.raises(MediaError, match="no frame in it"):
        Video(file)


def test_container_tags_are_kept_as_written(tmp_path: Path) -> None:
    tags = {"creation_time": "2021-05-17T06:30:15.250000Z"}
    capture = Video(write_video(tmp_path / "20190101_000000.mp4", [numbered(0)], tags=tags)).info.capture
    assert capture.captured_at is not None
    assert (capture.captured_at.isoformat()[:19], capture.captured_from) == ("2021-05-17T06:30:15", "container")
    capture = Video(write_video(tmp_path / "20190101_000000.avi", [numbered(0)], "mpeg4")).info.capture
    assert (str(capture.captured_at), capture.captured_from) == ("2019-01-01 00:00:00", "filename")


def test_a_single_frame_is_a_video(tmp_path: Path) -> None:
    video = Video(write_video(tmp_path / "video.mp4", [numbered(7)]))
    for sampling in SAMPLINGS:
        assert [number_in(frame.image) for frame in video.read(sampling)] == [7]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "often", ""])
def test_intervals_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="frame interval"):
        parse_sampling(text)


def test_intervals_are_seconds_or_words() -> None:
    assert [parse_sampling(text) for text in ("1", "0.5", "all", "keyframes")] == [1.0, 0.5, "all", "keyframes"]


def frames_at(times_ms: list[int]) -> FrameIndex:
    """Keyframes at these times."""
    count = len(times_ms)
    every = np.arange(count)
    return FrameIndex(np.array(times_ms) / 1000, every, np.ones(count, bool), every, times_ms[-1] / 1000 + 0.1, None)


@st.composite
def indices(draw: st.DrawFn) -> FrameIndex:
    """Frames with keyframes anywhere, decoded in an order of their own between keyframes."""
    gaps = draw(st.lists(st.integers(1, 2000), min_size=1, max_size=80))
    times = np.cumsum([0, *gaps[1:]]) / 1000
    keyframes = np.array([True, *draw(st.lists(st.booleans(), min_size=len(gaps) - 1, max_size=len(gaps) - 1))])
    groups = np.cumsum(keyframes)
    shuffled = draw(st.permutations(range(len(gaps))))
    order = sorted(range(len(gaps)), key=lambda frame: (groups[frame], not keyframes[frame], shuffled[frame]))
    places = np.empty(len(gaps), np.int64)
    places[order] = np.arange(len(gaps))
    return FrameIndex(times, np.arange(len(gaps)), keyframes, places, times[-1] + 0.1, None)


@given(indices(), st.one_of(st.sampled_from(["all", "keyframes"]), st.floats(0.05, 5)))
def test_plans_reach_every_wanted_frame_from_its_keyframe(index: FrameIndex, sampling: float | str) -> None:
    wanted = sampled_frames(index, sampling)
    runs = plan_runs(index, wanted)
    assert [number for run in runs for number in run.wanted] == wanted.tolist()
    for run, later in itertools.pairwise(runs):
        assert run.end < later.start  # packets are read once, from front to back
    for run in runs:
        for number in run.wanted:
            keyframe = np.flatnonzero(index.keyframes[: number + 1])[-1]
            assert run.start <= index.places[keyframe] <= index.places[number] <= run.end


@given(indices(), st.integers(50, 5000))
@example(frames_at([0, 1, 2, 3, 1900]), 50)  # 38 * 0.05 is 1.9000000000000001
def test_sampling_takes_what_a_viewer_sees(index: FrameIndex, interval_ms: int) -> None:
    """Whole milliseconds: the looks are counted without any rounding."""
    times_ms = np.rint(index.times_s * 1000).astype(int)
    looks_ms = range(0, times_ms[-1] + 1, interval_ms)
    shown = {int(np.flatnonzero(times_ms <= look)[-1]) for look in looks_ms}
    assert set(sampled_frames(index, interval_ms / 1000).tolist()) == shown
