"""How errors are told."""

from backbones.errors import HoopoeError
from detector.base.reporting.current import current


def print_error(error: HoopoeError) -> None:
    """Tell what is wrong, where, and what to do, as `--log` says."""
    current().error(error.problem, error.where, error.hint)
