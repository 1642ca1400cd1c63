"""What a cluster's workers are sent, and what they do."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from backbones.errors import ConfigError
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


def check_seen(folder: Path, store: Path) -> None:
    """Refuse a machine that does not see where its results go.

    Args:
        folder: Of the store, in which they go.
        store: The store.

    Raises:
        ConfigError: It does not see it.
    """
    if not folder.is_dir():
        hint = "let all machines see it at the same path, on a network disk"
        raise ConfigError(f"{platform.node()} does not see the store", where=store, hint=hint)
