"""Which frames of a video are sampled, and how to get at them with little decoding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backbones.errors import ConfigError
from detector.footage.frame_index import FrameIndex

Sampling = float | Literal["all", "keyframes"]

JUMP_PAYS = 3  # frames that need not be decoded, from which on starting the decoder afresh is quicker
_TICK_S = 1e-6  # times are sums of rounded numbers


def parse_sampling(text: str) -> Sampling:
    """Read the value of `--frame-interval`: seconds, `all` or `keyframes`.

    Raises:
        ConfigError: If it is none of these.
    """
    words: dict[str, Sampling] = {"all": "all", "keyframes": "keyframes"}
    if text in words:
        return words[text]
    try:
        seconds = float(text)
    except ValueError:
        hint = "give seconds, all or keyframes"
        raise ConfigError(f"{text!r} is no interval", where="frame interval", hint=hint) from None
    return check_sampling(seconds)


def check_sampling(sampling: Sampling) -> Sampling:
    """The same sampling.

    Raises:
        ConfigError: If it is a number of seconds that is not above 0.
    """
    if isinstance(sampling, str) or (math.isfinite(sampling) and sampling > 0):
        return sampling
    raise ConfigError(f"an interval of {sampling} s cannot be", where="frame interval", hint="more than 0 seconds")


def sampled_frames(index: FrameIndex, sampling: Sampling) -> NDArray[np.int64]:
    """The numbers of the sampled frames, rising.

    Every S seconds, the frame that a viewer sees at 0, S, 2 S ... counts: the last one that began by then. In gaps of
    the recording a frame counts once.
    """
    if sampling == "all":
        return np.arange(len(index))
    if sampling == "keyframes":
        return np.flatnonzero(index.keyframes)
    every_s = max(float(sampling), _TICK_S)
    # by frames and not by samples, of which a header can claim any number: the first sample that shows each frame
    samples = np.ceil((index.times_s - _TICK_S) / every_s)
    samples += samples * every_s + _TICK_S < index.times_s  # quotients are rounded
    samples -= (samples - 1) * every_s + _TICK_S >= index.times_s
    ends = np.append(samples[1:], np.inf if samples[-1] * every_s < index.times_s[-1] + _TICK_S else samples[-1])
    return np.flatnonzero(samples < ends)


@dataclass(frozen=True)
class Run:
    """Packets that are decoded in one go.

    Attributes:
        start: Place of the packet to begin with, a keyframe's, among all packets; 0: the first one.
        end: Place of the last packet that is needed.
        wanted: The numbers of the frames to keep, rising.
    """

    start: int
    end: int
    wanted: tuple[int, ...]


def plan_runs(index: FrameIndex, wanted: NDArray[np.int64]) -> list[Run]:
    """Split the wanted frames into runs, each from the keyframe before its first frame.

    A run ends where the decoder can begin afresh at a keyframe some packets ahead; those between are not decoded.
    """
    keyframes = np.flatnonzero(index.keyframes)
    before = np.searchsorted(keyframes, wanted, side="right") - 1
    starts = np.where(before >= 0, index.places[keyframes[before]], 0) if len(keyframes) else np.zeros_like(wanted)
    runs: list[Run] = []
    for number, start in zip(wanted.tolist(), starts.tolist(), strict=True):
        place = int(index.places[number])
        if runs and start <= runs[-1].end + JUMP_PAYS:
            last = runs[-1]
            runs[-1] = Run(last.start, max(last.end, place), (*last.wanted, number))
        else:
            runs.append(Run(start, place, (number,)))
    return runs
