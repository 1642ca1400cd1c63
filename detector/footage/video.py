"""Reading videos: exact times and numbers of frames, few of them decoded, and what can be saved of damaged files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import ArrayLike, NDArray

from backbones.errors import MediaError
from backbones.inference.images import MAX_PIXELS
from detector.base.orientation import orient, orientation_of_matrix, upright_size
from detector.base.signatures import HEAD_BYTES, kind_of
from detector.footage.frame_index import DEFAULT_RATE, PacketRecorder
from detector.footage.metadata import Capture, capture_of_video, video_tags
from detector.footage.sampling import Run, Sampling, check_sampling, plan_runs, sampled_frames
from detector.types import Frame

SHORTER_S = 0.5  # how much earlier than its header says the pictures may end before that is worth a warning
_OPTIONS = {"protocol_whitelist": "file"}  # a playlist that calls itself a video must not reach for the network
_COPY_AGAIN = "copy it from the card again, or leave it out"


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video once its packets are listed.

    Attributes:
        size_wh: Width and height of the upright picture in pixels (of the first frame, should they change).
        frames: How many there are.
        frame_rate: Frames a second on average; None where a single frame has none.
        duration_s: From the first frame to the end of the last, by the frames' own times.
        capture: When it was started, and by which camera.
    """

    size_wh: tuple[int, int]
    frames: int
    frame_rate: float | None
    duration_s: float
    capture: Capture


class Video:
    """A video file. `info` is there from the start; `warning` is complete once the frames are read.

    Args:
        file: The video: MP4, MOV, AVI, MKV or whatever else FFmpeg reads.
        threads: Of the decoder; 1 where many processes decode, 0 for one a core.

    Raises:
        MediaError: If the file cannot be read, is no video, or has no frame that can be decoded.
    """

    def __init__(self, file: Path, *, threads: int = 1) -> None:
        self.file = file
        self._threads = threads
        self._losses: list[str] = []
        recorder = PacketRecorder()
        with self._opened() as container:
            stream = self._video_stream(container)
            first = self._list_packets(container, stream, recorder)
            self._index = recorder.index(stream)
            self._note_missing(container, stream, recorder)
            tags = video_tags(container, file)
        size_wh = upright_size((first.width, first.height), _orientation(first))
        capture = capture_of_video(tags, file.name)
        self._losses += [capture.doubt] if capture.doubt else []
        self.info = VideoInfo(size_wh, len(self._index), self._index.frame_rate, self._index.duration_s, capture)

    @property
    def warning(self) -> str | None:
        """What was lost of the file so far; None: nothing."""
        return "; ".join(self._losses) or None

    def read(self, sampling: Sampling = 1.0) -> Iterator[Frame]:
        """Decode the frames that a sampling asks for, in the order shown.

        Args:
            sampling: Seconds from one frame to the next, `all`, or `keyframes`.

        Raises:
            MediaError: If not one of them can be decoded.
        """
        yield from self.read_numbers(sampled_frames(self._index, check_sampling(sampling)))

    def read_numbers(self, numbers: ArrayLike) -> Iterator[Frame]:
        """Decode the frames of these numbers, in the order shown; numbers that the video has not are passed over.

        Raises:
            MediaError: If not one of them can be decoded.
        """
        asked = np.unique(np.asarray(numbers, np.int64))
        wanted = asked[(asked >= 0) & (asked < len(self._index))]
        found = -1
        for number, frame in self._decoded(wanted):
            found = number
            yield self._as_frame(frame, number)
        if found < 0:
            raise MediaError("none of its frames can be decoded", where=self.file, mend=_COPY_AGAIN)

    def _decoded(self, wanted: NDArray[np.int64]) -> Iterator[tuple[int, av.VideoFrame]]:
        """The wanted frames with their numbers: quickly, and from where that fails by decoding everything."""
        done = 0
        if self._index.pts is not None:
            for number, frame in self._decode_runs(plan_runs(self._index, wanted)):
                if done == len(wanted) or number != wanted[done]:
                    break  # a keyframe was none, or a packet is damaged
                yield number, frame
                done += 1
        lost = 0
        if done < len(wanted):
            for number, frame in self._decode_all():
                place = done + int(np.searchsorted(wanted[done:], number))
                if place < len(wanted) and wanted[place] == number:
                    lost += place - done
                    done = place + 1
                    yield number, frame
                if done == len(wanted):
                    break
        if lost := lost + len(wanted) - done:
            self._losses.append(f"{lost} of {len(wanted)} frames could not be decoded")

    def _decode_runs(self, runs: list[Run]) -> Iterator[tuple[int, av.VideoFrame]]:
        with self._opened() as container:
            stream = self._video_stream(container)
            packets = enumerate(_packets(container, stream))
            for run in runs:
                yield from self._decode_run(run, packets, stream.codec_context)

    def _decode_run(
        self, run: Run, packets: Iterator[tuple[int, av.Packet]], decoder: av.VideoCodecContext
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        wanted = set(run.wanted)
        for place, packet in packets:
            if place < run.start:
                continue
            # frames that no other needs are passed over, unless they are wanted themselves
            decoder.skip_frame = "DEFAULT" if self._index.number_of(packet.pts) in wanted else "NONREF"
            yield from self._numbered(_decode(decoder, packet), wanted)
            if place >= run.end:
                break
        yield from self._numbered(_decode(decoder, None), wanted)
        decoder.flush_buffers()

    def _numbered(self, frames: list[av.VideoFrame], wanted: set[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        for frame in frames:
            number = self._index.number_of(frame.pts)
            if number is not None and number in wanted:
                yield number, frame

    def _decode_all(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Every frame that can be decoded, with its number: by its timestamp, or counted."""
        counted = 0
        with self._opened() as container:
            stream = self._video_stream(container)
            for packet in chain(_packets(container, stream), (None,)):
                for frame in _decode(stream.codec_context, packet):
                    number = counted if self._index.pts is None else self._index.number_of(frame.pts)
                    counted += 1
                    if number is not None and number < len(self._index):
                        yield number, frame

    @contextmanager
    def _opened(self) -> Iterator[av.container.InputContainer]:
        try:
            path = os.path.abspath(self.file)  # a relative name could look like a protocol's
            container = av.open(path, options=_OPTIONS, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._unreadable() from error
        with container:
            yield container

    def _unreadable(self) -> MediaError:
        """Why FFmpeg finds no video in the file, told from the file itself."""
        try:
            with self.file.open("rb") as opened:
                head = opened.read(HEAD_BYTES)
        except OSError as error:
            mend = "check the path, its permissions and the disk"
            return MediaError(f"the file cannot be read ({error.strerror})", where=self.file, mend=mend)
        kind = kind_of(head)
        if not head:
            problem = "the file is empty"
        elif kind is None:
            problem = "this is not a video, or it is damaged"
        elif kind.endswith("video"):
            problem = f"this is {kind}, but damaged or truncated: its table of frames is missing"
        else:
            problem = f"this is {kind}, not a video"
        return MediaError(problem, where=self.file, mend=_COPY_AGAIN)

    def _video_stream(self, container: av.container.InputContainer) -> av.VideoStream:
        """The stream to read, its decoder set up."""
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise self._unreadable()  # FFmpeg takes a picture for a video of one frame
        streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not streams:
            raise MediaError("there are no pictures in it, at most sound", where=self.file, mend="leave it out")
        stream = streams[0]
        if stream.codec_context is None:
            raise MediaError("its codec is not known", where=self.file, mend="convert it to H.264, or leave it out")
        if stream.width * stream.height > MAX_PIXELS:
            size = f"{stream.codec_context.width} x {stream.codec_context.height}"
            raise MediaError(
                f"it claims {size} pixels, more than is safe to decode", where=self.file, mend="leave it out"
            )
        stream.codec_context.thread_count = self._threads
        stream.thread_type = "NONE" if self._threads == 1 else "AUTO"
        return stream

    def _list_packets(
        self, container: av.container.InputContainer, stream: av.VideoStream, recorder: PacketRecorder
    ) -> av.VideoFrame:
        """Record all packets; returns the first frame."""
        first: av.VideoFrame | None = None
        for packet in _packets(container, stream):
            recorder.add(packet)
            if first is None:
                first = next(iter(_decode(stream.codec_context, packet)), None)
        if not len(recorder):
            raise MediaError("there is no frame in it", where=self.file, mend=_COPY_AGAIN)
        first = first or next(iter(_decode(stream.codec_context, None)), None)
        if first is None:
            raise MediaError("none of its frames can be decoded", where=self.file, mend=_COPY_AGAIN)
        return first

    def _note_missing(
        self, container: av.container.InputContainer, stream: av.VideoStream, recorder: PacketRecorder
    ) -> None:
        """Compare what is there with what the header says."""
        rate = stream.average_rate or stream.guessed_rate
        by_frames = stream.frames / float(rate) if rate else 0.0  # AVI's duration is of what is there
        if stream.duration and stream.time_base:
            declared_s = max(by_frames, float(stream.duration * stream.time_base))
        else:
            declared_s = max(by_frames, (container.duration or 0) / av.time_base)
        missing_s = declared_s - self._index.duration_s
        incomplete = stream.frames > recorder.count - recorder.corrupt
        frame_s = 1 / (self._index.frame_rate or DEFAULT_RATE)
        if missing_s > (frame_s / 2 if incomplete else SHORTER_S):
            self._losses.append(f"it ends at {self._index.duration_s:.2f} s, its header says {declared_s:.2f} s")

    def _as_frame(self, frame: av.VideoFrame, number: int) -> Frame:
        orientation = _orientation(frame)  # of each frame, like its size and pixel format: they may change midway
        pixels = orient(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), orientation)
        size_wh = (pixels.shape[1], pixels.shape[0])
        return Frame(pixels, size_wh, number, float(self._index.times_s[number]))


def open_video(file: Path, *, threads: int = 1) -> Video:
    """Open a video and list its frames; see `Video`."""
    return Video(file, threads=threads)


def read_frames(file: Path, sampling: Sampling = 1.0, *, threads: int = 1) -> Iterator[Frame]:
    """Open a video and read the frames that a sampling asks for; see `Video`."""
    return Video(file, threads=threads).read(sampling)


def _packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """The stream's packets up to the end of the file, or to where it cannot be read."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.FFmpegError:  # the index ends here, and what is missing of the header's duration is reported
        return


def _decode(decoder: av.VideoCodecContext, packet: av.Packet | None) -> list[av.VideoFrame]:
    """The frames that a packet, or with None the end, sets free; none if it is damaged."""
    try:
        return decoder.decode(packet)
    except av.FFmpegError:
        return []


def _orientation(frame: av.VideoFrame) -> int:
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return 1 if matrix is None else orientation_of_matrix(np.frombuffer(matrix, np.int32).reshape(3, 3))
