"""Pictures side by side: each on its own share of the cores.

All cores on one picture wait for each other after every layer, and for whatever else a core does: a photo that is
decoded meanwhile. With a lane of its own a picture takes longer, and all of them take less.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from detector.runtimes.part import Part

Entry = TypeVar("Entry")
Result = TypeVar("Result")
_LANE = threading.local()  # of the threads


def spread(net: nn.Module, pictures: int) -> None:
    """Prepare a network's parts for so many pictures at once, or for as many as there are threads."""
    for part in parts_of(net):
        part.spread(max(1, min(pictures, torch.get_num_threads())))


def parts_of(net: nn.Module) -> Iterator[Part]:
    """The parts that another runtime than torch runs."""
    yield from (module for module in net.modules() if isinstance(module, Part))
    foreign = getattr(getattr(net, "session", None), "part", None)
    if isinstance(foreign, Part):
        yield foreign


def detections_of(net: nn.Module, images: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    """What a detector finds in images of one size, side by side where its parts are prepared for it."""
    lanes = max((part.lanes for part in parts_of(net)), default=1)
    if lanes == 1 or len(images) == 1:
        found: list[dict[str, Tensor]] = net(list(images))
        return found

    def alone(image: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = net([image])[0]
        return found

    return in_lanes(alone, images, lanes)


def in_lanes(function: Callable[[Entry], Result], entries: Sequence[Entry], lanes: int) -> list[Result]:
    """The results of a function of tensors, without gradients, computed by so many threads.

    Within a lane they come one after the other: its threads would wait for themselves.
    """
    if getattr(_LANE, "inside", False):
        return [function(entry) for entry in entries]

    def without_gradients(entry: Entry) -> Result:
        with torch.inference_mode():  # of a thread
            return function(entry)

    return list(_threads(lanes).map(without_gradients, entries))


@cache
def _threads(lanes: int) -> ThreadPoolExecutor:
    """Threads that share torch's own among them."""
    all_threads = torch.get_num_threads()
    started = threading.Barrier(lanes)

    def begin() -> None:
        _LANE.inside = True
        torch.set_num_threads(max(1, all_threads // lanes))  # of this thread, in OpenMP
        started.wait()

    pool = ThreadPoolExecutor(lanes, "lane", begin)
    list(pool.map(lambda _: None, range(lanes)))
    torch.set_num_threads(all_threads)  # MKL has one number for all threads
    return pool
