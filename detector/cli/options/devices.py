"""--device and --precision, for every command that runs a network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    import torch

    from detector.base.devices import Precision


def add_device_arguments(parser: CommandParser) -> None:
    """Declare where and in which precision networks run."""
    parser.add_rare_argument(
        "--device", metavar="DEVICE", help="cpu, cuda, cuda:1 ... (default: a GPU, if there is one)"
    )
    parser.add_rare_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="of the networks (default: bf16 where the device computes in it)",
    )


def device_and_precision(args: argparse.Namespace) -> tuple[torch.device, Precision]:
    """What the options ask for.

    Raises:
        ConfigError: There is no such device.
    """
    from detector.base.devices import chosen_device, chosen_precision

    device = chosen_device(args.device)
    return device, chosen_precision(args.precision, device)
