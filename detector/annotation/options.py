"""What a run is asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

import torch

from detector.annotation.detecting import CPU_BATCH, CUDA_BATCH
from detector.footage.sampling import Sampling
from detector.store.schema import LOWEST_SCORE

CPU_CROPS, CUDA_CROPS = 8, 64  # in a batch of the classifier
FIRST_PASS_SCORE = 0.05  # of a box, from which a frame goes on to the detector
FIRST_PASS_PROPOSALS = 300  # of a Faster R-CNN: that there is something shows in the likeliest ones


@dataclass(frozen=True)
class SeeingOptions:
    """What decides what the models see: a store holds facts of one set of these.

    Attributes:
        frame_interval: Which frames of videos: one every so many seconds, `all`, or `keyframes`.
        tile: See pictures in tiles at native resolution too.
        motion_gate: Pass over frames of videos in which nothing moved, and photos of bursts as `burst_gate` says.
        burst_gate: With it, pass over photos of bursts, see `bursts`; None: as the store does, in a new one True.
        full_decode: Never decode photos at a reduced size.
        lowest_score: Detections below are left out; at 0 boxes stay as the detector gives them, one a label.
        classify_from: Boxes with a lower score are not classified.
        embeddings: Keep the classifier's embeddings.
        first_pass_threshold: Frames in which the first pass finds a box from this score up go on to the detector;
            None: from `FIRST_PASS_SCORE` up, if there is a first pass.
        proposals: Of a Faster R-CNN; None: as many as its file says.
        first_pass_proposals: Likewise of a first pass; None: as the store does, in a new one `FIRST_PASS_PROPOSALS`.
    """

    frame_interval: Sampling = 1.0
    tile: bool = False
    motion_gate: bool = False
    burst_gate: bool | None = None
    full_decode: bool = False
    lowest_score: float = LOWEST_SCORE
    classify_from: float = LOWEST_SCORE
    embeddings: bool = False
    first_pass_threshold: float | None = None
    proposals: int | None = None
    first_pass_proposals: int | None = None

    def as_dict(self) -> dict[str, object]:
        """For run.json; what is not asked for is left out, as stores of earlier versions do not know it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def gates_bursts(self) -> bool:
        """Whether photos of bursts are passed over."""
        return self.motion_gate and bool(self.burst_gate)

    @property
    def first_pass_score(self) -> float:
        """Of a box, from which a frame goes on to the detector."""
        return FIRST_PASS_SCORE if self.first_pass_threshold is None else self.first_pass_threshold


@dataclass(frozen=True)
class WorkOptions:
    """How the work is spread: none of it changes what is seen.

    Attributes:
        batch_size: Pictures in a batch of the detector.
        crop_batch_size: Crops in a batch of the classifier.
        workers: Processes that read media files.
    """

    batch_size: int
    crop_batch_size: int
    workers: int

    @classmethod
    def chosen(cls, device: torch.device, batch_size: int | None = None, workers: int | None = None) -> WorkOptions:
        """What was asked for, and by default what suits the device.

        On a CPU the networks need the cores: a process decodes some ten photos of 12 megapixels a second, and that is
        more than half of the cores detect in.
        """
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        on_cpu = device.type == "cpu"
        return cls(
            batch_size=batch_size or (CPU_BATCH if on_cpu else CUDA_BATCH),
            crop_batch_size=CPU_CROPS if on_cpu else CUDA_CROPS,
            workers=workers or max(1, cores // 2 if on_cpu else cores),
        )
