"""What a million, a hundred million and a billion photos take on 1 to 1,000 machines, simulated from measured figures.

    python -m benchmarks.simulate_scaling [--photos 1000000 ...] [--nodes 1 ...] [--price 1.0] [--write]

Machines take shards of photos one after the other, as jobs of `--shard` or Ray's workers do. Each has its own speed,
some are stragglers, and machines die at random and come back: a shard that was under way is done again. Listing,
deciding and exporting follow from their measured rates. `FIGURES` says of each number where it was measured, or that it
is an assumption. Seeds are fixed: the table is the same each time. Printed, and written to
benchmarks/results/simulated.md with --write; `docs/scaling.md` says what follows.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.publishing import publish

OUTPUT = "simulated.md"
HOUR_S = 3600.0
SHARDS_A_NODE = 400  # at least, so that the last ones are short


class Figure(NamedTuple):
    """A number and where it comes from."""

    value: float
    source: str


FIGURES = {
    "photos/s of a CPU machine": Figure(8 * 0.209 / 2, "8 cores; results/annotation.md: davit_tiny twice, fp32"),
    "photos/s of a GPU machine": Figure(
        min(16 / 0.047, 207.97 / 1.3),
        "results/backbones_cuda.md: 207.97/s of biformer_s at 800 x 1344 in bf16, backbone alone; assumed: divided by "
        "1.3 for pyramid, head and crops; no whole run was measured on a GPU (16 cores decode 340/s, 0.047 CPU s each)",
    ),
    "keys/s of a listing": Figure(6_700, "assumed: pages of 1,000 keys in 0.15 s"),
    "photos/s of writing facts": Figure(5_135, "results/store.md, one process"),
    "photos/s of decide": Figure(1_000_000 / 30, "results/decide_large.md, one process"),
    "photos/s of exports": Figure(1_000_000 / (76 + 9 + 77), "the same: csv; events and camtrap-dp at 10^7"),
    "photos/s of a driver of decide": Figure(10_000_000 / 39, "the same: its CPU time at 10^7, planning and joining"),
    "photos/s of a driver of exports": Figure(1_000_000 / 20, "its CPU time at 10^6: csv 6 s, camtrap-dp 5, events 9"),
    "workers a machine": Figure(8, "one a core, where deciding and exporting is divided"),
    "bytes of facts a photo": Figure(1_000, "assumed: a classified box in half of the photos, 550 logits in float16"),
    "bytes of an id in memory": Figure(8, "detector/store/media_ids.py"),
    "bytes of a photo": Figure(3_200_000, "a JPEG of 12 MP at quality 85, as decoded above"),
    "deaths an hour of a machine": Figure(0.01, "assumed: one in a hundred each hour; spot machines more"),
    "seconds until a machine is back": Figure(300, "assumed"),
    "stragglers": Figure(0.02, "assumed: machines at half speed"),
    "spread of speeds": Figure(0.1, "assumed: standard deviation"),
}


def figure(name: str) -> float:
    """A number of `FIGURES`."""
    return FIGURES[name].value


@dataclass(frozen=True)
class Annotated:
    """How the machines did.

    Attributes:
        seconds: Until the last shard is done.
        lost_s: Machine seconds whose work was lost.
        idle_s: Machine seconds in which one waited for the last others.
    """

    seconds: float
    lost_s: float
    idle_s: float


def simulate(photos: int, nodes: int, rate: float, seed: int = 0) -> Annotated:
    """Photos in shards through machines that differ and die.

    Args:
        photos: How many.
        nodes: Machines.
        rate: Photos a second of a machine of usual speed.
        seed: Of all chance.
    """
    rng = random.Random(seed)
    speeds = [
        rate
        * max(0.3, rng.gauss(1.0, figure("spread of speeds")))
        * (0.5 if rng.random() < figure("stragglers") else 1.0)
        for _ in range(nodes)
    ]
    shard = max(1, min(2_048, photos // (nodes * SHARDS_A_NODE)))
    if photos // shard > 2_000_000:  # events that are simulated; a larger shard only makes losses larger
        shard = photos // 2_000_000
    deaths_a_second = figure("deaths an hour of a machine") / HOUR_S
    free = [(0.0, node) for node in range(nodes)]
    heapq.heapify(free)
    ends = [0.0] * nodes
    left, lost_s = -(-photos // shard), 0.0
    while left:
        now, node = heapq.heappop(free)
        takes = shard / speeds[node]
        dies = rng.expovariate(deaths_a_second)
        if dies < takes:
            lost_s += dies
            heapq.heappush(free, (now + dies + figure("seconds until a machine is back"), node))
            continue
        left -= 1
        ends[node] = now + takes
        heapq.heappush(free, (ends[node], node))
    last = max(ends)
    return Annotated(last, lost_s, sum(last - end for end in ends))


@dataclass(frozen=True)
class Plan:
    """What a number of photos takes on a number of machines."""

    photos: int
    nodes: int
    annotated: Annotated
    price: float

    @property
    def listing_s(self) -> float:
        """One process lists all, before the first photo is decoded."""
        return self.photos / figure("keys/s of a listing")

    @property
    def deciding_s(self) -> float:
        """Decisions and exports in one process."""
        return self.photos * (1 / figure("photos/s of decide") + 1 / figure("photos/s of exports"))

    @property
    def divided_s(self) -> float:
        """The same by workers of all machines; what one process does of it takes its time all the same."""
        rates = (figure("photos/s of a driver of decide"), figure("photos/s of a driver of exports"))
        alone_s = sum(self.photos / rate for rate in rates)
        return min(self.deciding_s, max(self.deciding_s / (self.nodes * figure("workers a machine")), alone_s))

    @property
    def cost(self) -> float:
        """Of the machines while they annotate."""
        return self.annotated.seconds * self.nodes / HOUR_S * self.price

    @property
    def bottleneck(self) -> str:
        """What takes longest of what is done one after the other."""
        times = {
            "listing": self.listing_s,
            "models": self.annotated.seconds,
            "decide and exports": self.divided_s,
        }
        return max(times, key=lambda name: times[name])

    def row(self) -> str:
        """As a row of the table."""
        write_s = self.photos / figure("photos/s of writing facts")
        gbit = self.photos / self.annotated.seconds * figure("bytes of a photo") * 8 / 1e9
        return (
            f"| {self.photos:,} | {self.nodes:,} | {_time(self.listing_s)} | {_time(self.annotated.seconds)} "
            f"| {100 * self.annotated.lost_s / (self.annotated.seconds * self.nodes):.2f} % | {_time(write_s)} "
            f"| {gbit:,.2f} | {_time(self.deciding_s)} | {_time(self.divided_s)} | {self.cost:,.0f} "
            f"| {self.bottleneck} |"
        )


def _time(seconds: float) -> str:
    if seconds < HOUR_S:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / HOUR_S:.1f} h" if seconds < 72 * HOUR_S else f"{seconds / HOUR_S / 24:.1f} days"


def table(photos: Sequence[int], nodes: Sequence[int], kind: str, price: float) -> list[str]:
    """The table of a kind of machine, CPU or GPU."""
    rate = figure(f"photos/s of a {kind} machine")
    lines = [
        f"## {kind} machines, {rate:.2f} photos/s each, {price:g} an hour",
        "",
        "| photos | machines | listing | annotate | lost | writing, one core | Gbit/s read | decide, exports | divided "
        "| cost | longest |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [Plan(count, each, simulate(count, each, rate), price).row() for count in photos for each in nodes]
    return [*lines, ""]


def main() -> None:
    """Simulate, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs="+", default=[10**6, 10**8, 10**9])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--price", type=float, nargs=2, default=[0.3, 3.0], help="an hour, of both kinds")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    lines = ["# Simulated: photos on machines", ""]
    for kind, price in zip(("CPU", "GPU"), args.price, strict=True):
        lines += table(args.photos, args.nodes, kind, price)
    lines += ["| figure | value | from |", "|---|---|---|"]
    lines += [f"| {name} | {value:,.6g} | {source} |" for name, (value, source) in FIGURES.items()]
    lines += ["", "`python -m benchmarks.simulate_scaling`; seeds are fixed."]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
