"""The frames of a video before any is decoded: their times, in the order shown, from the packets alone."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

DEFAULT_RATE = 25.0  # frames a second, where neither timestamps nor the header tell


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
    """

    times_s: NDArray[np.float64]
    pts: NDArray[np.int64] | None
    keyframes: NDArray[np.bool_]
    places: NDArray[np.int64]
    duration_s: float
    frame_rate: float | None

    def __len__(self) -> int:
        return len(self.times_s)

    def number_of(self, pts: int | None) -> int | None:
        """The number of the frame with this timestamp; None if the index holds no such frame."""
        if pts is None or self.pts is None:
            return None
        number = int(np.searchsorted(self.pts, pts))
        return number if number < len(self.pts) and self.pts[number] == pts else None


class PacketRecorder:
    """Collects the packets of a video stream, in the order decoded, and makes the index of them."""

    def __init__(self) -> None:
        self.count = 0  # packets so far
        self.corrupt = 0  # of these, there in part only
        self._rows: list[tuple[int | None, int | None, int, bool, int]] = []

    def add(self, packet: av.Packet) -> None:
        """Take note of a packet. What is never shown, or there in part only, is no frame."""
        if packet.is_corrupt:
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
        rate = float(stream.average_rate or stream.guessed_rate or 0) or None
        if not _all_frames_independent(stream) and keyframes.all():
            keyframes = np.arange(len(keyframes)) == 0  # such a header flags all, or does not say
        if shown is None or not unit:
            times = np.arange(len(places)) / (rate or DEFAULT_RATE)
            return FrameIndex(times, None, keyframes, places, _end(times, rate, 0.0), rate)
        order = np.argsort(shown, kind="stable")
        times = (shown[order] - shown[order[0]]) * unit
        if len(times) > 1:
            rate = (len(times) - 1) / float(times[-1])
        pts = shown[order] if self._labelled(stream) else None
        duration = _end(times, rate, float(durations[order[-1]]) * unit)
        return FrameIndex(times, pts, keyframes[order], places[order], duration, rate)

    def _labelled(self, stream: av.VideoStream) -> bool:
        """Whether a packet's timestamp is the one that its frame will carry; not so for reordered H.264 in AVI."""
        stamps = [row[0] for row in self._rows if row[0] is not None]
        if len(stamps) < len(self._rows):
            return False
        reordered = stream.container.format.name == "avi" and stream.codec_context.has_b_frames
        return not (reordered and stamps == sorted(stamps))

    def _arrays(self) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        pts, dts, durations, keyframes, places = zip(*self._rows, strict=True)
        stamps = pts if None not in pts else dts
        usable = None not in stamps and len(set(stamps)) == len(stamps)
        shown = np.array(stamps, np.int64) if usable else None
        return shown, np.array(durations, np.int64), np.array(keyframes, np.bool_), np.array(places, np.int64)


def _all_frames_independent(stream: av.VideoStream) -> bool:
    return bool(stream.codec_context.codec.intra_only)


def _end(times: NDArray[np.float64], rate: float | None, last_s: float) -> float:
    return float(times[-1]) + (last_s or 1 / (rate or DEFAULT_RATE))
