"""How errors look in the terminal."""

import sys

from backbones.errors import HoopoeError


def print_error(error: HoopoeError) -> None:
    """Print what is wrong, where, and what to do, each on a line of its own on stderr; parts not known are left out."""
    parts = (("error", error.problem), ("where", error.where), ("hint", error.hint))
    for label, text in parts:
        if text:
            print(f"{label + ':':<7}{text}", file=sys.stderr)
