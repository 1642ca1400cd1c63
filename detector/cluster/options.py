"""What is asked of a cluster."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbones.errors import ConfigError

if TYPE_CHECKING:  # it brings torch, which is of no use to those who decide
    from detector.base.devices import Asked


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster, and how many workers with which share of a machine.

    Attributes:
        address: Of its head, as Ray writes it; None: of `RAY_ADDRESS`, else a cluster of this machine alone is begun.
        fewest: Workers that are kept while the run lasts.
        most: Workers that are asked for while work waits, whereupon an autoscaler brings machines; None: as many as
            the machines that are there hold.
        cpus_per_worker: Cores of a worker; None: with GPUs a GPU's share of its machine, without one, or two where
            memory is short.
        device: Where networks run on the workers; None: a GPU where the cluster has some.
        precision: Theirs.
        batch_size: Pictures in a batch of the detector; None: as suits the device.
    """

    address: str | None = None
    fewest: int = 1
    most: int | None = None
    cpus_per_worker: int | None = None
    device: str | None = None
    precision: Asked = "auto"
    batch_size: int | None = None


def check_platform() -> None:
    """Refuse a cluster where there can be none.

    Raises:
        ConfigError: This is not Linux.
    """
    if sys.platform != "linux":
        hint = "run it on Linux; elsewhere leave the engine out, or divide the files by --shard"
        raise ConfigError("Ray's clusters are for Linux", where="engine", hint=hint)
