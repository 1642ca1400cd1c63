"""The frames of a video before any is decoded: their times, in the order shown, from the packets alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from detector.base.times import LONGEST_S

DEFAULT_RATE = 25.0  # frames a second, where neither timestamps nor the header tell
FASTEST = 1000.0  # frames a second; headers that claim more claim nonsense, as those that claim more than `LONGEST_S`
REORDERED = 16  # frames, by which the decoder's order and the one shown differ at most (H.264, HEVC)


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The frames of a video in the order shown; a frame's number is its place in these arrays.

    Attributes:
        times_s: Seconds since the first frame (N,), rising.
        pts: Timestamps (N,), rising, in the stream's unit, that decoded frames carry; None where those cannot be
            trusted, and frames have to be counted while all of them are decoded.
        keyframes: Whether a frame can be decoded without others (N,).
        places: Place of each frame's packet among all packets (N,), in the order decoded.
        duration_s: From the first frame to the end of the last.
        frame_rate: Frames a second on average; None for a single frame without a rate in the header.
        doubt: What the file says of its times and is not believed; None: nothing.
    """

    times_s: NDArray[np.float64]
    pts: NDArray[np.int64] | None
    keyframes: NDArray[np.bool_]
    places: NDArray[np.int64]
    duration_s: float
    frame_rate: float | None
    doubt: str | None = None

    def __len__(self) -> int:
        return len(self.times_s)

    def number_of(self, pts: int | None) -> int | None:
        """The number of the frame with this timestamp; None if the index holds no such frame."""
        if pts is None or self.pts is None:
            return None
        number = int(np.searchsorted(self.pts, pts))
        return number if number < len(self.pts) and self.pts[number] == pts else None


class PacketRecorder:
    """Collects the packets of a video stream, in the order decoded, and makes the index of them.

    Args:
        in_transport: Whether the container cuts frames into packets of its own, as MPEG's streams do: where one of
            those is there in part, all frames that lie in it are said to be, and most can be decoded.
    """

    def __init__(self, in_transport: bool = False) -> None:
        self._in_transport = in_transport
        self.count = 0  # packets so far
        self.corrupt = 0  # of these, there in part only
        self._rows: list[tuple[int | None, int | None, int, bool, int]] = []

    def add(self, packet: av.Packet) -> None:
        """Take note of a packet. What is never shown, or there in part only, is no frame."""
        if packet.is_corrupt and not self._in_transport:
            self.corrupt += 1
        elif not packet.is_discard:
            self._rows.append((packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe, self.count))
        self.count += 1

    def __len__(self) -> int:
        return len(self._rows)

    def index(self, stream: av.VideoStream) -> FrameIndex:
        """The index of the packets so far; there must be one at least."""
        shown, durations, keyframes, places = self._arrays()
        unit = float(stream.time_base or 0)
        rate = _believed(float(stream.average_rate or stream.guessed_rate or 0))
        if not _all_frames_independent(stream) and keyframes.all():
            keyframes = np.arange(len(keyframes)) == 0  # such a header flags all, or does not say
        counted = np.arange(len(places)) / (rate or DEFAULT_RATE)
        if shown is None or not unit > 0:
            return FrameIndex(counted, None, keyframes, places, _end(counted, rate, 0.0), rate)
        order = np.argsort(shown, kind="stable")
        pts = shown[order] if self._labelled(stream) else None
        times = (shown[order].astype(np.uint64) - shown[order[0]].astype(np.uint64)) * unit  # exact, and never negative
        last_s, doubt = float(durations[order[-1]]) * unit, None
        if len(times) > 1:
            own = (len(times) - 1) / float(times[-1])
            if times[-1] <= LONGEST_S and own <= FASTEST:
                rate = own
            else:
                doubt = f"its {len(times)} frames cannot last {times[-1]:.3g} s: {DEFAULT_RATE:g} a second are assumed"
                times, last_s, rate = np.arange(len(times)) / DEFAULT_RATE, 0.0, None
        return FrameIndex(times, pts, keyframes[order], places[order], _end(times, rate, last_s), rate, doubt)

    def _labelled(self, stream: av.VideoStream) -> bool:
        """Whether a packet's timestamp is the one that its frame will carry; not so for reordered H.264 in AVI."""
        stamps = [row[0] for row in self._rows if row[0] is not None]
        if len(stamps) < len(self._rows) or _contradict(stamps, [row[1] for row in self._rows]):
            return False
        reordered = stream.container.format.name == "avi" and stream.codec_context.has_b_frames
        return not (reordered and stamps == sorted(stamps))

    def _arrays(self) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        pts, dts, durations, keyframes, places = zip(*self._rows, strict=True)
        stamps = pts if None not in pts else dts
        if _contradict(pts, dts):
            stamps = min(pts, dts, key=lambda each: max(each) - min(each))
        usable = None not in stamps and len(set(stamps)) == len(stamps)
        shown = np.array(stamps, np.int64) if usable else None
        return shown, np.array(durations, np.int64), np.array(keyframes, np.bool_), np.array(places, np.int64)


def _all_frames_independent(stream: av.VideoStream) -> bool:
    return bool(stream.codec_context.codec.intra_only)


def _believed(rate: float) -> float | None:
    """A header's frames a second; None where they cannot be."""
    return rate if 1 / LONGEST_S <= rate <= FASTEST else None


def _contradict(pts: Sequence[int | None], dts: Sequence[int | None]) -> bool:
    """Whether times of showing and of decoding are too far apart to be both right: a damaged one is among them."""
    if None in pts or None in dts or len(pts) < 2:
        return False
    shown, decoded = np.sort(np.array(pts, np.float64)), np.sort(np.array(dts, np.float64))
    lag = shown - decoded
    return bool(np.abs(lag - np.median(lag)).max() > REORDERED * np.diff(decoded).max())


def _end(times: NDArray[np.float64], rate: float | None, last_s: float) -> float:
    believed = 0 < last_s <= LONGEST_S - times[-1]
    return float(times[-1]) + (last_s if believed else 1 / (rate or DEFAULT_RATE))
