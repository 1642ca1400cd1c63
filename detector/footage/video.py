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
from detector.base.failures import OUT_OF_MEMORY, ran_out_of_memory
from detector.base.orientation import orient, orientation_of_matrix, upright_size
from detector.base.signatures import HEAD_BYTES, kind_of
from detector.base.times import LONGEST_S
from detector.footage.decoding import decode, packets, rising
from detector.footage.frame_index import DEFAULT_RATE, PacketRecorder
from detector.footage.metadata import Capture, capture_of_video, video_tags
from detector.footage.sampling import Run, Sampling, check_sampling, plan_runs, sampled_frames
from detector.types import Frame

MAX_PIXELS = 50_000_000  # above 8K; decoders hold sixteen such frames and more
SHORTER_S = 0.5  # how much earlier than its header says the pictures may end before that is worth a warning
_DECODER = {"max_pixels": str(MAX_PIXELS)}  # a stream may claim another size than its container
# a playlist that calls itself a video must not reach for the network
_OPTIONS = {"protocol_whitelist": "file", **_DECODER}
# of a damaged picture the decoder would fill up the rest with whatever lay in memory, such as another picture's birds
_WHOLE = {"err_detect": "explode"}
_TRANSPORT = ("mpeg", "mpegts")
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
        self._whole_only = True
        first, capture = self._survey()
        if first is None:
            self._whole_only = False  # a camera may write each of its pictures against the rules
            first, capture = self._survey()
            self._losses.append("all of its pictures are damaged")
        if first is None:
            raise MediaError("none of its frames can be decoded", where=self.file, hint=_COPY_AGAIN)
        size_wh = upright_size((first.width, first.height), _orientation(first))
        self.info = VideoInfo(size_wh, len(self._index), self._index.frame_rate, self._index.duration_s, capture)

    @property
    def warning(self) -> str | None:
        """What was lost of the file so far; None: nothing."""
        return "; ".join(self._losses) or None

    def read(self, sampling: Sampling = 1.0) -> Iterator[Frame]:
        """Decode the frames that a sampling asks for, in the order shown.

        For one that cannot be decoded the next that can stands in, if that comes before the next one asked for.

        Args:
            sampling: Seconds from one frame to the next, `all`, or `keyframes`.

        Raises:
            MediaError: If not one of them can be decoded.
        """
        yield from self._read(sampled_frames(self._index, check_sampling(sampling)), stand_in=True)

    def read_numbers(self, numbers: ArrayLike) -> Iterator[Frame]:
        """Decode the frames of these numbers, in the order shown; numbers that the video has not are passed over.

        Raises:
            MediaError: If not one of them can be decoded.
        """
        asked = np.unique(np.asarray(numbers, np.int64))
        yield from self._read(asked[(asked >= 0) & (asked < len(self._index))], stand_in=False)

    def _read(self, wanted: NDArray[np.int64], stand_in: bool) -> Iterator[Frame]:
        found = -1
        for number, frame in self._decoded(wanted, stand_in):
            found = number
            yield self._as_frame(frame, number)
        if found < 0:
            raise MediaError("none of its frames can be decoded", where=self.file, hint=_COPY_AGAIN)

    def _decoded(self, wanted: NDArray[np.int64], stand_in: bool) -> Iterator[tuple[int, av.VideoFrame]]:
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
            for number, frame in rising(self._decode_all()):
                place = done + int(np.searchsorted(wanted[done:], number))
                asked = place < len(wanted) and wanted[place] == number
                if asked or (stand_in and place > done):
                    lost += place - done
                    done = place + asked
                    yield number, frame
                if done == len(wanted):
                    break
        if lost := lost + len(wanted) - done:
            self._losses.append(f"{lost} of {len(wanted)} frames could not be decoded")

    def _decode_runs(self, runs: list[Run]) -> Iterator[tuple[int, av.VideoFrame]]:
        with self._opened() as container:
            stream = self._video_stream(container)
            upcoming = enumerate(packets(container, stream))
            for run in runs:
                yield from self._decode_run(run, upcoming, stream.codec_context)

    def _decode_run(
        self, run: Run, upcoming: Iterator[tuple[int, av.Packet]], decoder: av.VideoCodecContext
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        wanted = set(run.wanted)
        for place, packet in upcoming:
            if place < run.start:
                continue
            # frames that no other needs are passed over, unless they are wanted themselves
            decoder.skip_frame = "DEFAULT" if self._index.number_of(packet.pts) in wanted else "NONREF"
            yield from self._numbered(self._decode(decoder, packet), wanted)
            if place >= run.end:
                break
        yield from self._numbered(self._decode(decoder, None), wanted)
        decoder.flush_buffers()

    def _decode(self, decoder: av.VideoCodecContext, packet: av.Packet | None) -> list[av.VideoFrame]:
        """The whole pictures that a packet sets free; in place of what others lack stands what lay in memory."""
        return [frame for frame in decode(decoder, packet) if self._is_whole(frame)]

    def _is_whole(self, frame: av.VideoFrame) -> bool:
        return not (self._whole_only and frame.is_corrupt)

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
            for packet in chain(packets(container, stream), (None,)):
                for frame in decode(stream.codec_context, packet):
                    number = counted if self._index.pts is None else self._index.number_of(frame.pts)
                    counted += 1
                    if number is not None and number < len(self._index) and self._is_whole(frame):
                        yield number, frame

    @contextmanager
    def _opened(self) -> Iterator[av.container.InputContainer]:
        if self.file.exists() and not self.file.is_file():
            raise MediaError("this is no regular file", where=self.file, hint="leave it out")
        try:
            path = os.path.abspath(self.file)  # a relative name could look like a protocol's
            container = av.open(path, options=_OPTIONS, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            if ran_out_of_memory(error):
                raise MediaError(OUT_OF_MEMORY, where=self.file, hint=_COPY_AGAIN) from error
            raise self._unreadable() from error
        with container:
            yield container

    def _unreadable(self) -> MediaError:
        """Why FFmpeg finds no video in the file, told from the file itself."""
        try:
            with self.file.open("rb") as opened:
                head = opened.read(HEAD_BYTES)
        except OSError as error:
            hint = "check the path, its permissions and the disk"
            return MediaError(f"the file cannot be read ({error.strerror})", where=self.file, hint=hint)
        kind = kind_of(head)
        if not head:
            problem = "the file is empty"
        elif kind is None:
            problem = "this is not a video, or it is damaged"
        elif kind.endswith("video"):
            problem = f"this is {kind}, but damaged or truncated: its table of frames is missing"
        else:
            problem = f"this is {kind}, not a video"
        return MediaError(problem, where=self.file, hint=_COPY_AGAIN)

    def _video_stream(self, container: av.container.InputContainer) -> av.VideoStream:
        """The stream to read, its decoder set up."""
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise self._unreadable()  # FFmpeg takes a picture for a video of one frame
        streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not streams:
            raise MediaError("there are no pictures in it, at most sound", where=self.file, hint="leave it out")
        stream = streams[0]
        if stream.codec_context is None:
            raise MediaError("its codec is not known", where=self.file, hint="convert it to H.264, or leave it out")
        if stream.width * stream.height > MAX_PIXELS:
            size = f"{stream.codec_context.width} x {stream.codec_context.height}"
            raise MediaError(
                f"it claims {size} pixels, more than is safe to decode", where=self.file, hint="leave it out"
            )
        whole = self._whole_only and stream.codec_context.name == "mjpeg"
        stream.codec_context.options = _DECODER | (_WHOLE if whole else {})
        stream.codec_context.thread_count = self._threads
        stream.thread_type = "NONE" if self._threads == 1 else "AUTO"
        return stream

    def _survey(self) -> tuple[av.VideoFrame | None, Capture]:
        """List the packets, and note what is missing; returns the first frame that can be decoded, and when it was."""
        first: av.VideoFrame | None = None
        with self._opened() as container:
            stream = self._video_stream(container)
            recorder = PacketRecorder(container.format.name in _TRANSPORT)
            for packet in packets(container, stream):
                recorder.add(packet)
                if first is None:
                    first = next(iter(self._decode(stream.codec_context, packet)), None)
            if not len(recorder):
                raise MediaError("there is no frame in it", where=self.file, hint=_COPY_AGAIN)
            first = first or next(iter(self._decode(stream.codec_context, None)), None)
            capture = capture_of_video(video_tags(container, self.file), str(self.file))
            self._index = recorder.index(stream)
            missing = self._index.doubt or self._missing(container, stream, recorder)
            self._losses = [text for text in (missing, capture.doubt) if text]
        return first, capture

    def _missing(
        self, container: av.container.InputContainer, stream: av.VideoStream, recorder: PacketRecorder
    ) -> str | None:
        """What is less than the header says; None: nothing."""
        rate = stream.average_rate or stream.guessed_rate
        by_frames = stream.frames / float(rate) if rate else 0.0  # AVI's duration is of what is there
        if stream.duration and stream.time_base:
            declared_s = max(by_frames, float(stream.duration * stream.time_base))
        else:
            # a container's duration begins where its clock does, which may be before the pictures
            begins_s = max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)))
            declared_s = max(by_frames, (container.duration or 0) / av.time_base - begins_s)
        missing_s = declared_s - self._index.duration_s
        incomplete = stream.frames > recorder.count - recorder.corrupt
        frame_s = 1 / (self._index.frame_rate or DEFAULT_RATE)
        if declared_s <= LONGEST_S and missing_s > (frame_s / 2 if incomplete else SHORTER_S):
            return f"it ends at {self._index.duration_s:.2f} s, its header says {declared_s:.2f} s"
        return None

    def _as_frame(self, frame: av.VideoFrame, number: int) -> Frame:
        orientation = _orientation(frame)  # of each frame, like its size and pixel format: they may change midway
        # one thread: FFmpeg would start some for each frame, and a frame whose side data was read ends late
        pixels = orient(np.asarray(frame.to_ndarray(format="rgb24", threads=1), np.uint8), orientation)
        size_wh = (pixels.shape[1], pixels.shape[0])
        return Frame(pixels, size_wh, number, float(self._index.times_s[number]))


def _orientation(frame: av.VideoFrame) -> int:
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return 1 if matrix is None else orientation_of_matrix(np.frombuffer(matrix, np.int32).reshape(3, 3))
