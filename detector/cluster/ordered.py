"""Pieces of work that workers do one by one, and whose results come in the order of the pieces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NoReturn, Protocol, TypeVar

from backbones.errors import HoopoeError
from detector.cluster.dispatch import DEATHS, Shard, ShardResult, dispatch
from detector.cluster.options import ClusterOptions, check_platform
from detector.cluster.work import Machines, Share, Stop

Piece = TypeVar("Piece")
Piece_contra = TypeVar("Piece_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class PieceWork(Protocol[Piece_contra, Result_co]):
    """What is sent to each worker, once."""

    def start(self, share: Share) -> Callable[[Piece_contra], Result_co]:
        """Load what is needed; what does a piece.

        Raises:
            HoopoeError: Something is not there on this machine.
        """


def done_in_order(
    work: PieceWork[Piece, Result], pieces: Sequence[Piece], cluster: ClusterOptions, name: Callable[[Piece], str]
) -> Iterator[Result | None]:
    """What comes of all pieces, in their order; None now and then, while a result is waited for.

    A piece whose worker died is done by another.

    Args:
        work: Does them.
        pieces: Given out one by one.
        cluster: Which one, and how many workers.
        name: Of a piece, for the sentence that it ends those who do it.

    Raises:
        ConfigError: There is no cluster, or a machine of it lacks what is needed.
        HoopoeError: What a worker raised; or a piece ended two of them.
    """
    from detector.cluster.ray_pool import RayPool

    check_platform()

    def give_up(numbered: tuple[int, Piece], why: str) -> NoReturn:
        problem = f"each of {DEATHS} processes ended over {name(numbered[1])}"
        raise HoopoeError(problem, hint="is there enough memory? fewer workers a machine: more --cpus-per-worker")

    early: dict[int, Result] = {}
    due = 0
    with RayPool(_NumberedWork(work), cluster, Machines(0)) as pool:
        for done in dispatch(_OneByOne(pieces), pool, lambda result: None, give_up):
            if done is None:
                yield None
                continue
            early[done[0]] = done[1]
            del done  # it may be large
            while due in early:
                yield early.pop(due)
                due += 1


@dataclass(frozen=True, eq=False)
class _NumberedWork(Generic[Piece, Result]):
    """The same work, with the pieces' numbers."""

    work: PieceWork[Piece, Result]

    def start(self, share: Share) -> Callable[[Sequence[tuple[int, Piece]], Stop], ShardResult[tuple[int, Result]]]:
        do = self.work.start(share)

        def run(pieces: Sequence[tuple[int, Piece]], stop: Stop) -> ShardResult[tuple[int, Result]]:
            began = time.monotonic()
            done = [(number, do(piece)) for number, piece in pieces]
            return ShardResult(done, seconds=time.monotonic() - began)

        return run


class _OneByOne(Generic[Piece]):
    """Numbered pieces, which are neither joined nor cut."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._left = iter(enumerate(pieces))
        self._next = next(self._left, None)

    @property
    def over(self) -> bool:
        """Whether all are given out."""
        return self._next is None

    def next(self, workers: int) -> Shard[tuple[int, Piece]] | None:
        """The next."""
        given, self._next = self._next, next(self._left, None)
        return None if given is None else Shard([given])

    def pieces(self, shard: Shard[tuple[int, Piece]]) -> list[Shard[tuple[int, Piece]]]:
        """The same again."""
        return [replace(shard, deaths=shard.deaths + 1)]

    def measured(self, shard: Shard[tuple[int, Piece]], seconds: float) -> None:
        """It changes nothing."""
