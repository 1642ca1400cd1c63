"""How many machines do the work, what they cost, and which part of the files this one does."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from backbones.errors import ConfigError
from detector.cli.options.shared import at_least
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    import torch

    from detector.annotation.listing.shard import ListShard
    from detector.base.devices import Asked
    from detector.cluster.options import ClusterOptions


def add_cluster_arguments(parser: CommandParser) -> None:
    """Declare --engine and what belongs to it, for commands that run networks."""
    add_engine_arguments(parser, "a GPU's share of its machine, or 1, 2 if memory is short")
    parser.add_rare_argument(
        "--price-per-hour",
        type=float,
        metavar="PRICE",
        help="of one machine: after 1,000 files the money that the rest costs is told, too",
    )


def add_deciding_cluster_arguments(parser: CommandParser) -> None:
    """Declare --engine and what belongs to it, for commands without networks."""
    add_engine_arguments(parser, "1")
    parser.add_rare_argument(
        "--workers",
        type=workers_of,
        metavar="N",
        help="with --engine ray workers, or bounds, such as 2:8 (default: as many as the machines hold)",
    )


def add_engine_arguments(parser: CommandParser, cores: str) -> None:
    """Declare --engine, --address and --cpus-per-worker.

    Args:
        parser: Of the command.
        cores: Of a worker by default, in words.
    """
    parser.add_rare_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: this process; ray: a cluster of Linux machines, for which the extra `ray` is installed",
    )
    parser.add_rare_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a Ray cluster that is there; auto: of the one on this machine (default: RAY_ADDRESS, else a new one)",
    )
    parser.add_rare_argument(
        "--cpus-per-worker",
        type=at_least(1),
        metavar="N",
        help=f"cores of each worker of a cluster (default: {cores})",
    )


def add_shard_argument(parser: CommandParser) -> None:
    """Declare --shard."""
    parser.add_rare_argument(
        "--shard",
        metavar="K/N",
        help="only part K of N of the files, into an OUT of its own: `hoopoe merge` joins them (Slurm: --array=1-N)",
    )


def workers_of(text: str) -> tuple[int, int]:
    """What argparse takes as `type` of --workers: a number, or two as bounds."""
    low, _, high = text.partition(":")
    if not low.isdecimal() or not (high or low).isdecimal() or not 1 <= int(low) <= int(high or low):
        raise argparse.ArgumentTypeError(f"{text} is neither a number of workers, such as 4, nor bounds, such as 2:8")
    return int(low), int(high or low)


def check_cluster(args: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        ConfigError: They do not.
    """
    price = args.price_per_hour
    if price is not None and not 0 <= price < float("inf"):
        raise ConfigError(f"a price is 0 or more, not {price}", where="--price-per-hour", hint="such as 0.53")
    _check_engine(args)


def _check_engine(args: argparse.Namespace) -> None:
    if args.engine == "ray":
        return
    for name in ("address", "cpus_per_worker"):
        if getattr(args, name) is not None:
            raise ConfigError("this is of a cluster", where=f"--{name.replace('_', '-')}", hint="add --engine ray")
    if args.workers is not None and args.workers[0] != args.workers[1]:
        raise ConfigError("bounds are those of a cluster", where="--workers", hint="give a number, or --engine ray")


def cluster_options(args: argparse.Namespace) -> ClusterOptions | None:
    """Which cluster does the work; None: this process."""
    from detector.cluster.options import ClusterOptions

    if args.engine == "local":
        return None
    fewest, most = args.workers or (1, None)
    device = None if args.device in (None, "auto") else args.device
    return ClusterOptions(args.address, fewest, most, args.cpus_per_worker, device, args.precision)


def deciding_cluster(args: argparse.Namespace) -> ClusterOptions | None:
    """Whose workers decide or export, where no networks run; None: this process.

    Raises:
        ConfigError: Options do not go together.
    """
    from detector.cluster.options import ClusterOptions

    _check_engine(args)
    if args.engine == "local":
        if args.workers is not None:
            raise ConfigError("this is of a cluster", where="--workers", hint="add --engine ray")
        return None
    fewest, most = args.workers or (1, None)
    return ClusterOptions(args.address, fewest, most, args.cpus_per_worker or 1, device="cpu")


def device_here(args: argparse.Namespace) -> tuple[torch.device | None, Asked]:
    """Where networks are loaded in this process: on the CPU where those of the workers do the work.

    Raises:
        ConfigError: There is no such device.
    """
    import torch

    from detector.cli.options.devices import device_and_precision

    return (torch.device("cpu"), args.precision) if args.engine == "ray" else device_and_precision(args)


def list_shard(args: argparse.Namespace) -> ListShard | None:
    """Which part of the files is done; None: all.

    Raises:
        ConfigError: There is no such part.
    """
    from detector.annotation.listing.shard import ListShard

    return None if args.shard is None else ListShard.parse(args.shard)
