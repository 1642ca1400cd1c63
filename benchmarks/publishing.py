"""Where the benchmarks' tables go."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def publish(lines: Sequence[str], file: str, write: bool) -> None:
    """Write lines into benchmarks/results/FILE, if asked to."""
    if write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def table_of_acts(taken: Mapping[str, Sequence[float]]) -> list[str]:
    """A table's lines: how many milliseconds each act took, over several times."""
    rows = (
        f"| {act} | {statistics.median(times):.4g} | {min(times):.4g}, {max(times):.4g} |"
        for act, times in taken.items()
    )
    return ["| act | median, ms | from, to |", "|---|---|---|", *rows]
