"""What a cluster's workers are sent, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from detector.cluster.dispatch import ShardResult

Item_contra = TypeVar("Item_contra", contravariant=True)
Done_co = TypeVar("Done_co", covariant=True)

Stop = Callable[[], bool]  # whether the worker is to end after its batch


@dataclass(frozen=True)
class Share:
    """A worker's share of its machine: cores."""

    cores: int


@dataclass
class Machines:
    """How many machines work now; whoever has them work counts them."""

    count: int = 1


class Work(Protocol[Item_contra, Done_co]):
    """What is sent to each worker, once: small, as what is large, such as models, is loaded there."""

    def start(self, share: Share) -> Callable[[Sequence[Item_contra], Stop], ShardResult[Done_co]]:
        """Load what is needed; what does shards, in any thread.

        Raises:
            HoopoeError: Something is not there on this machine.
        """
