"""What the reading processes do: decode, bring to the network's size, cut crops. Only small arrays leave them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backbones.errors import MediaError
from detector.annotation.values import FrameFacts, ItemFacts
from detector.base.content_hash import content_hash
from detector.base.objects.address import Address, on_disk
from detector.base.objects.fetching import arriving
from detector.boxes import xywh_to_xyxy
from detector.data.resizing import SizeRule
from detector.footage.appearance import SIDE, box_appearance
from detector.footage.heads import capture_of_head, capture_of_name
from detector.footage.light import LONG_SIDE, brightness, is_night_ir, shrink
from detector.footage.metadata import Capture
from detector.footage.motion import LONG_SIDE as GATE_SIDE
from detector.footage.motion import MotionGate
from detector.footage.photos import Photo, read_photo
from detector.footage.sampling import Sampling
from detector.footage.video import Video, VideoInfo
from detector.models.tiling import View, tiled_views, whole_view
from detector.species.crops import CONTEXT, crops_of
from detector.types import Frame, MediaItem

TRAVELLING_PIXELS = 2_100_000  # a full HD picture; larger photos are decoded again where birds are in them

Size = tuple[int, int]


@dataclass(frozen=True)
class DecodeOptions:
    """How media are decoded.

    Attributes:
        rule: Which size a picture has in the network.
        first_rule: The same in the network of the first pass, where there is one.
        sampling: Which frames of videos: one every so many seconds, all, or keyframes.
        tile: See pictures in tiles too.
        motion_gate: Pass over frames of videos in which nothing moved.
        burst_gate: Send small pictures of photos along, for the gate of bursts.
        full_decode: Never decode photos at a reduced size.
        originals: Send small originals along, as crops will be cut out of them.
    """

    rule: SizeRule
    first_rule: SizeRule | None = None
    sampling: Sampling = 1.0
    tile: bool = False
    motion_gate: bool = False
    burst_gate: bool = False
    full_decode: bool = False
    originals: bool = True


@dataclass(frozen=True)
class DecodeTask:
    """Decode a media item for the detector: a video as the options say, or only the frames of these numbers."""

    item: MediaItem
    options: DecodeOptions
    frames: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class CropTask:
    """Cut crops out of a media item at full resolution.

    Attributes:
        item: The media item.
        boxes: Number of a frame -> float32 (N, 4), shares of the picture: left, top, width, height.
        wanted: Number of a frame -> int64 (K,), the boxes to cut crops of.
        size_hw: Of the crops.
        crops_only: Whether all else is known of the frames.
        context: How much around a box is cut along, as a share of its sides.
    """

    item: MediaItem
    boxes: Mapping[int, NDArray[np.float32]]
    wanted: Mapping[int, NDArray[np.int64]]
    size_hw: Size
    crops_only: bool = False
    context: float = CONTEXT


@dataclass(frozen=True, eq=False)
class FirstView:
    """A whole picture at the network size of the first pass, RGB uint8."""

    view: View
    picture: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A frame for the detector; no views where nothing moved.

    Attributes:
        frame: The frame.
        views: The whole picture first, then tiles where there are any.
        pictures: RGB uint8, each view at its network size.
        original: RGB uint8 (H, W, 3), where it travels along.
        first: The whole picture as the first pass sees it, where there is one.
        small: RGB uint8, for the motion gate of photos.
    """

    frame: FrameFacts
    views: tuple[View, ...] = ()
    pictures: tuple[NDArray[np.uint8], ...] = ()
    original: NDArray[np.uint8] | None = None
    first: FirstView | None = None
    small: NDArray[np.uint8] | None = None

    @property
    def nbytes(self) -> int:
        """Of its pictures."""
        first = () if self.first is None else (self.first.picture,)
        others = [each for each in (self.original, self.small) if each is not None]
        return sum(each.nbytes for each in (*self.pictures, *first, *others))


@dataclass(frozen=True, eq=False)
class FrameCrops:
    """The crops of a frame.

    Attributes:
        crops: uint8 (K, height, width, 3), of the boxes wanted.
        frame: The frame; None where only crops were asked for.
        appearances: uint8 (N, 64), how all boxes look; None likewise.
    """

    crops: NDArray[np.uint8]
    frame: FrameFacts | None = None
    appearances: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Loss:
    """What was lost of a file that could be read in part."""

    text: str


Reading = ItemFacts | DecodedFrame | FrameCrops | Loss


def perform(task: DecodeTask | CropTask) -> Iterator[Reading]:
    """Do a task in a reading process: first what the item is, then its frames. An object is fetched whole for it.

    Raises:
        MediaError: The file cannot be read, or not further; what its head says was yielded nevertheless.
        ServiceError: The service that keeps the object is sick: nothing is known of the item.
    """
    item = task.item
    if not isinstance(item.file, Address):
        yield from _performed(task)
        return
    with ExitStack() as copies:
        try:  # facts of nothing are the sign of life: silence would be taken for a decoder that hangs
            file = yield from arriving(copies, item.file, item.size_bytes, sign=ItemFacts())
        except MediaError:
            yield with_capture(ItemFacts(), capture_of_name(item))
            raise
        size = None if item.size_bytes else file.stat().st_size
        for part in _performed(replace(task, item=replace(item, file=file))):
            yield replace(part, size_bytes=size) if isinstance(part, ItemFacts) else part


def _performed(task: DecodeTask | CropTask) -> Iterator[Reading]:
    """Do a task whose file is on a disk."""
    facts = ItemFacts()
    try:
        for part in _decode(task) if isinstance(task, DecodeTask) else _crop(task):
            facts = part if isinstance(part, ItemFacts) else facts
            yield part
    except Exception:
        if facts.captured_at is None:  # the day of a torn file is one on which its camera worked
            yield with_capture(facts, capture_of_head(task.item))
        raise


def _decode(task: DecodeTask) -> Iterator[Reading]:
    if task.item.media_type == "photo":
        yield from _decode_photo(task.item, task.options)
    else:
        yield from _decode_video(task)


def _decode_photo(item: MediaItem, options: DecodeOptions) -> Iterator[Reading]:
    digest = content_hash(on_disk(item.file))
    yield ItemFacts(content_hash=digest)
    reduced = not (options.full_decode or options.tile)
    photo = read_photo(on_disk(item.file), at_least=options.rule.min_size if reduced else None)
    yield photo_facts(digest, photo)
    decoded = _decoded(Frame(photo.image, photo.size_wh), options, math.prod(photo.size_wh) <= TRAVELLING_PIXELS)
    yield replace(decoded, small=shrink(photo.image, GATE_SIDE)) if options.burst_gate else decoded
    if photo.warning:
        yield Loss(photo.warning)


def _decode_video(task: DecodeTask) -> Iterator[Reading]:
    options = task.options
    digest = content_hash(on_disk(task.item.file))
    yield ItemFacts(content_hash=digest)
    video = Video(on_disk(task.item.file))
    yield video_facts(digest, video.info)
    gate = MotionGate() if options.motion_gate else None
    frames = video.read(options.sampling) if task.frames is None else video.read_numbers(list(task.frames))
    for frame in frames:
        if gate is not None and not gate.moved(frame.image):
            yield DecodedFrame(frame_facts(frame, moved=False))
        else:
            yield _decoded(frame, options, True)
    if video.warning:
        yield Loss(video.warning)


def _decoded(frame: Frame, options: DecodeOptions, travels: bool) -> DecodedFrame:
    """A frame for the detector, each view at its network size."""
    rule = options.rule
    views = tiled_views(frame.size_wh, rule) if options.tile else [whole_view(frame.size_wh, rule)]
    pictures = [rule.resize(_window(frame.image, view), view.size_wh) for view in views]
    original = frame.image if options.originals and travels else None
    return DecodedFrame(frame_facts(frame), tuple(views), tuple(pictures), original, _first_view(frame, options))


def _first_view(frame: Frame, options: DecodeOptions) -> FirstView | None:
    if options.first_rule is None:
        return None
    view = whole_view(frame.size_wh, options.first_rule)
    return FirstView(view, options.first_rule.resize(_window(frame.image, view), view.size_wh))


def _window(image: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """The part of a picture that a view shows; a picture that was decoded at a reduced size is its only view."""
    if view.window[:2] == (0, 0) and view.window[2] >= image.shape[1] and view.window[3] >= image.shape[0]:
        return np.require(image, requirements="W")  # torch wants to be able to write to it
    return view.cut(image)


def _crop(task: CropTask) -> Iterator[Reading]:
    digest = content_hash(on_disk(task.item.file))
    yield ItemFacts(content_hash=digest)
    if task.item.media_type == "photo":
        photo = read_photo(on_disk(task.item.file))
        yield photo_facts(digest, photo)
        yield _cropped(Frame(photo.image, photo.size_wh), task)
        if photo.warning:
            yield Loss(photo.warning)
        return
    video = Video(on_disk(task.item.file))
    yield video_facts(digest, video.info)
    if task.boxes:
        for frame in video.read_numbers(list(task.boxes)):
            yield _cropped(frame, task)
    if video.warning:
        yield Loss(video.warning)


def _cropped(frame: Frame, task: CropTask) -> FrameCrops:
    boxes = task.boxes[frame.frame_number]
    crops = crops_of(frame.image, boxes[task.wanted[frame.frame_number]], task.size_hw, task.context)
    if task.crops_only:
        return FrameCrops(crops)
    return FrameCrops(crops, frame_facts(frame), appearances(frame.image, boxes))


def appearances(image: NDArray[np.uint8], boxes_xywh: NDArray[np.float32]) -> NDArray[np.uint8]:
    """How boxes (N, 4), shares of a picture, look there: uint8 (N, 64)."""
    boxes = xywh_to_xyxy(boxes_xywh) * np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    found = [np.frombuffer(box_appearance(image, box), np.uint8) for box in boxes]
    return np.stack(found) if found else np.zeros((0, SIDE * SIDE), np.uint8)


def with_capture(facts: ItemFacts, capture: Capture) -> ItemFacts:
    """What a file is, and when it was taken."""
    return replace(
        facts,
        captured_at=capture.captured_at,
        captured_from=capture.captured_from,
        camera_model=facts.camera_model or capture.camera_model,
    )


def photo_facts(digest: str, read: Photo | VideoInfo) -> ItemFacts:
    """What a photo is, and a video but for its length."""
    return ItemFacts(
        content_hash=digest,
        width=read.size_wh[0],
        height=read.size_wh[1],
        captured_at=read.capture.captured_at,
        captured_from=read.capture.captured_from,
        camera_model=read.capture.camera_model,
    )


def video_facts(digest: str, info: VideoInfo) -> ItemFacts:
    """What a video is."""
    return replace(photo_facts(digest, info), frame_rate=info.frame_rate, duration_s=info.duration_s)


def frame_facts(frame: Frame, moved: bool | None = None) -> FrameFacts:
    """What a frame is."""
    small = shrink(frame.image, LONG_SIDE)
    return FrameFacts(
        frame_number=frame.frame_number,
        time_s=frame.time_s,
        size_wh=frame.size_wh,
        brightness=brightness(small),
        night=is_night_ir(small),
        moved=moved,
    )
