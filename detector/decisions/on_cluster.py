"""The portions of a store decided by the workers of a cluster.

A worker writes the rows of a portion into files beside the tables, and the driver, which holds the store's lock, puts
them into the tables in the order of portions, so that they are those of one process. What a worker that was given up
writes yet is never taken.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from detector.base.files import refusing_full_disk
from detector.cluster.options import ClusterOptions
from detector.cluster.ordered import done_in_order
from detector.cluster.work import Share, check_seen
from detector.decisions.by_portion import PortionResult
from detector.decisions.deciding import PortionDecider
from detector.decisions.facts.portions import Portion
from detector.decisions.summary import DecisionSummary
from detector.decisions.tables.writing import GROUP_ROWS, LARGE_TABLES, PortionTables, open_table
from detector.store.files import open_parquet
from detector.store.reviews.log import Review

_MEND = "run the same command again"


@dataclass(frozen=True, eq=False)
class StagedPortion:
    """What a worker made of a portion.

    Attributes:
        files: Name of each large table -> the file in which its rows are.
        small: The rows of the others.
        summary: What was found.
        answered: See `PortionResult`.
    """

    files: Mapping[str, Path]
    small: Mapping[str, list[dict[str, Any]]]
    summary: DecisionSummary
    answered: frozenset[Review]

    def result(self) -> PortionResult:
        """The same, with tables that are read, and their files removed, as they are asked for."""
        large = {name: _taken(path) for name, path in self.files.items()}
        return PortionResult(PortionTables(large, self.small), self.summary, self.answered)


@dataclass(frozen=True, eq=False)
class DecidePortions:
    """What workers do: a portion in, out what was staged of it.

    Attributes:
        decider: Decides it.
        staging: Where rows go; all machines must see it.
    """

    decider: PortionDecider
    staging: Path

    def start(self, share: Share) -> Callable[[Portion], StagedPortion]:
        """Begin.

        Raises:
            ConfigError: This machine does not see the store.
        """
        check_seen(self.staging, self.decider.reader.folder)
        pa.set_cpu_count(share.cores)
        return self._stage

    def _stage(self, portion: Portion) -> StagedPortion:
        result = PortionResult.of(self.decider, portion)
        files = {name: self.staging / f"{name}-{secrets.token_hex(8)}" for name in result.tables.large}
        with refusing_full_disk(self.staging):
            for name, chunks in result.tables.large.items():
                with open_table(files[name], LARGE_TABLES[name]) as writer:
                    for chunk in chunks:
                        writer.write_table(chunk, row_group_size=GROUP_ROWS)
        return StagedPortion(files, result.tables.small, result.summary, result.answered)


def decide_on_cluster(
    decider: PortionDecider, cluster: ClusterOptions, staging: Path
) -> Iterator[PortionResult | None]:
    """Decide all portions on a cluster, and yield what came of them in their order; None now and then, while it waits.

    Args:
        decider: Has the portions, more than one.
        cluster: Which one, and how many workers.
        staging: A folder of the store, for what is not in the tables yet.

    Raises:
        ConfigError: There is no cluster, or a machine of it does not see the store.
        HoopoeError: As `PortionDecider.before_words`; or deployments end the process that decides them.
    """
    portions = [portion for portion in decider.plan.portions if portion is not None]
    work = DecidePortions(replace(decider, plan=replace(decider.plan, portions=())), staging.absolute())
    done = done_in_order(work, portions, cluster, _name)
    return (None if staged is None else staged.result() for staged in done)


def _name(portion: Portion) -> str:
    folders = sorted(f"{card}/{folder}" for card, folder in portion.folders)
    return f"{len(folders)} folders from {folders[0]} on"


def _taken(path: Path) -> Iterator[pa.Table]:
    with open_parquet(path, _MEND) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)
    path.unlink()
