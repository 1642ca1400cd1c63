"""Where the benchmarks' tables go."""

from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def publish(lines: Sequence[str], file: str, write: bool) -> None:
    """Write lines into benchmarks/results/FILE, if asked to."""
    if write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
