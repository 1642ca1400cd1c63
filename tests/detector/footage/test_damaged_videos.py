"""What a damaged video claims costs no memory, and what can be decoded of it is read, the same in every run."""

from __future__ import annotations

import os
import random
import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import MediaError
from detector.footage.decoding import decode, packets, rising
from detector.footage.frame_index import FrameIndex
from detector.footage.sampling import sampled_frames
from detector.footage.video import Video
from tests.detector.footage.conftest import number_in, numbered, write_video

FRAMES = 40
KINDS: dict[str, dict[str, Any]] = {
    "mp4": {"options": {"bf": "2"}},
    "mov": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "mkv": {},
    "ts": {"options": {"bf": "2"}},
    "mpg": {"codec": "mpeg2video", "unit": Fraction(1, 25)},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A sound video of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    images = [numbered(number) for number in range(FRAMES)]
    return {
        kind: write_video(folder / f"a.{kind}", images, **{"codec": "libx264", "gop": 8, **how}).read_bytes()
        for kind, how in KINDS.items()
    }


def read(file: Path) -> tuple[list[tuple[int, float, int]], str | None]:
    """Number, time and the picture's own number of all frames, and what was lost; or nothing and why."""
    try:
        video = Video(file)
        frames = [(frame.frame_number, frame.time_s, number_in(frame.image)) for frame in video.read("all")]
    except MediaError as error:
        return [], str(error)
    return frames, video.warning


def plain_decode(file: Path) -> int:
    """How many frames a decode from front to back gives, as far as it comes."""
    count = 0
    with suppress(IndexError, av.FFmpegError), av.open(str(file), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            with suppress(av.FFmpegError):
                count += len(packet.decode())
    return count


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut off, blanked, flipped, cut out or exchanged."""
    content, length = bytearray(data), len(data)
    start, size = chance.randrange(length), chance.choice((1, 16, 256, 2048))
    how = chance.randrange(5)
    if how == 0:
        del content[start:]
    elif how == 1:
        content[start : start + size] = bytes(min(size, length - start))
    elif how == 2:
        for _ in range(chance.choice((1, 20))):
            content[chance.randrange(length)] ^= 1 << chance.randrange(8)
    elif how == 3:
        del content[start : start + size]
    else:
        content[start : start + 100], content[:100] = content[:100], content[start : start + 100]
    return bytes(content)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(12, 400), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_damage_is_named_with_the_same_words_in_every_run(
    tmp_path: Path, whole: dict[str, bytes], kind: str, seeds: range
) -> None:
    file = tmp_path / f"a.{kind}"
    for seed in seeds:
        content = damaged(whole[kind], random.Random(seed))
        file.write_bytes(content)
        frames, words = read(file)
        assert read(file) == (frames, words)
        assert [number for number, _, _ in frames] == sorted({number for number, _, _ in frames})
        if kind not in ("mov", "avi") and frames:  # of JPEGs damaged ones are left out
            lost = sum(int(text.split()[0]) for text in (words or "").split("; ") if "could not be decoded" in text)
            assert len(frames) + lost >= plain_decode(file)


def with_rate(avi: bytes, scale: int, rate: int) -> bytes:
    """An AVI whose header claims rate / scale frames a second."""
    place = avi.index(b"strh") + 28
    return avi[:place] + struct.pack("<II", scale, rate) + avi[place + 8 :]


@pytest.mark.parametrize(("scale", "rate"), [(4_000_000_000, 1), (1, 4_000_000_000), (1, 10**6), (30 * 86_400, 1)])
def test_an_impossible_rate_is_not_believed(tmp_path: Path, whole: dict[str, bytes], scale: int, rate: int) -> None:
    (tmp_path / "a.avi").write_bytes(with_rate(whole["avi"], scale, rate))
    video = Video(tmp_path / "a.avi")
    assert [frame.frame_number for frame in video.read(1.0)] == [0, 25]
    assert video.info.duration_s == pytest.approx(FRAMES / 25)
    assert "its 40 frames cannot last" in (video.warning or "")
    assert "25 a second are assumed" in (video.warning or "")


def test_a_time_lapse_of_a_frame_an_hour_is_believed(tmp_path: Path, whole: dict[str, bytes]) -> None:
    (tmp_path / "a.avi").write_bytes(with_rate(whole["avi"], 3600, 1))
    assert Video(tmp_path / "a.avi").info.duration_s == pytest.approx(FRAMES * 3600)


@given(
    st.lists(st.floats(0, 1e300, exclude_min=True), max_size=30, unique=True),
    st.floats(0, 1e300, exclude_min=True, allow_subnormal=True),
)
def test_sampling_takes_no_more_than_there_is(times: list[float], interval_s: float) -> None:
    every = np.arange(len(times) + 1)
    index = FrameIndex(np.array([0.0, *sorted(times)]), None, every == 0, every, 1.0, None)
    sampled = sampled_frames(index, interval_s)
    assert 0 < len(sampled) <= len(index)
    assert (np.diff(sampled) > 0).all()
    assert 0 <= sampled[0] <= sampled[-1] < len(index)


def test_frames_of_a_torn_stream_of_mpeg_are_read(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """All packets that began in a torn part are flagged, and all but the last can be decoded."""
    (tmp_path / "a.mpg").write_bytes(whole["mpg"][: len(whole["mpg"]) // 2])
    frames, _ = read(tmp_path / "a.mpg")
    assert len(frames) >= plain_decode(tmp_path / "a.mpg") - 1 > 5
    assert [number for number, _, _ in frames[:-1]] == [shown for _, _, shown in frames[:-1]]


def test_a_damaged_time_of_one_frame_costs_no_other(tmp_path: Path, whole: dict[str, bytes]) -> None:
    content = bytearray(whole["ts"])
    place = content.index(b"\x00\x00\x01\xe0") + 9  # the first packet of pictures: the time at which it is shown
    content[place + 1 : place + 3] = b"\x01\x01"
    (tmp_path / "a.ts").write_bytes(content)
    frames, words = read(tmp_path / "a.ts")
    assert len(frames) == FRAMES
    assert [shown for _, _, shown in frames] == list(range(FRAMES))
    assert words is None


@pytest.mark.parametrize("number", [0, 1, 20, 39])
def test_a_frame_with_the_time_of_another_place_is_left_out(number: int) -> None:
    frames: Any = [(39 if at == number else at, at) for at in range(40)]
    expected = [(at, at) for at in range(40) if at != number]
    assert list(rising(iter(frames)))[:39] == (expected if number != 39 else frames[:39])


def test_a_damaged_jpeg_is_no_frame(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Its rest would be whatever lay in memory."""
    content = bytearray(whole["avi"])
    place = [at for at in range(len(content)) if content.startswith(b"\xff\xda", at)][20] + 40
    content[place : place + 40] = b"\xff\x00" * 20
    (tmp_path / "a.avi").write_bytes(content)
    frames, words = read(tmp_path / "a.avi")
    assert [number for number, _, _ in frames] == [number for number in range(FRAMES) if number != 20]
    assert [number for number, _, _ in frames] == [shown for _, _, shown in frames]
    assert words == "1 of 40 frames could not be decoded"


def test_the_next_frame_stands_in_for_one_that_is_lost(tmp_path: Path, whole: dict[str, bytes]) -> None:
    content = bytearray(whole["avi"])
    for number in (0, 20, 21):
        place = [at for at in range(len(content)) if content.startswith(b"\xff\xda", at)][number] + 40
        content[place : place + 40] = b"\xff\x00" * 20
    (tmp_path / "a.avi").write_bytes(content)
    video = Video(tmp_path / "a.avi")
    shown = [(frame.frame_number, round(frame.time_s, 3), number_in(frame.image)) for frame in video.read(1.0)]
    assert shown == [(1, 0.1, 1), (10, 1.0, 10), (22, 2.2, 22), (30, 3.0, 30)]
    assert video.warning == "2 of 4 frames could not be decoded"
    assert [frame.frame_number for frame in Video(tmp_path / "a.avi").read_numbers([20, 30])] == [30]


def test_a_stream_that_claims_a_huge_picture_is_not_decoded(tmp_path: Path, whole: dict[str, bytes]) -> None:
    content, place = bytearray(whole["mov"]), 0
    while (place := content.find(b"\xff\xc0", place + 1)) > 0:  # the size in each picture, whatever the container says
        content[place + 5 : place + 9] = struct.pack(">HH", 60_000, 60_000)
    (tmp_path / "a.mov").write_bytes(content)
    with pytest.raises(MediaError, match="none of its frames can be decoded"):
        Video(tmp_path / "a.mov")


def test_a_named_pipe_is_no_video(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has none")
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="no regular file"):
        Video(tmp_path / "a.mp4")


class _Full:
    """A decoder that takes no packet before what it holds is taken, as FFmpeg's do after some kinds of damage."""

    def __init__(self) -> None:
        self.held = ["early"]

    def decode(self, packet: str | None) -> list[str]:
        if packet is not None and self.held:
            raise av.BlockingIOError(11, "Resource temporarily unavailable")
        held, self.held = self.held, []
        return held if packet is None else [packet]

    def flush_buffers(self) -> None:
        pass


def test_a_decoder_that_asks_to_be_asked_again_is() -> None:
    decoder: Any = _Full()
    packet: Any = "late"
    assert decode(decoder, packet) == ["early", "late"]


def test_a_container_that_asks_to_be_asked_again_is() -> None:
    class Container:
        asked = 0

        def demux(self, stream: object) -> Any:
            Container.asked += 1
            yield type("Packet", (), {"size": Container.asked})()
            if Container.asked < 3:
                raise av.BlockingIOError(11, "Resource temporarily unavailable")

    container: Any = Container()
    stream: Any = None
    assert [packet.size for packet in packets(container, stream)] == [1, 2, 3]
