"""--device and --precision, for every command that runs a network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    import torch

    from detector.base.devices import Asked


def add_device_arguments(parser: CommandParser) -> None:
    """Declare where and in which precision networks run."""
    parser.add_rare_argument(
        "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, xpu, mps (default: auto, a GPU that works)"
    )
    parser.add_rare_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16"),
        default="auto",
        help="of the networks (default: bf16 where the device computes in it; fp16: GPUs)",
    )


def device_and_precision(args: argparse.Namespace) -> tuple[torch.device | None, Asked]:
    """What the options ask for; None: the best device for the model at hand.

    Raises:
        ConfigError: There is no such device.
    """
    from detector.base.devices import chosen_device

    return None if args.device in (None, "auto") else chosen_device(args.device), args.precision
