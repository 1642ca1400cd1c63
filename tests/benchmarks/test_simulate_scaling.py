"""The simulation is the same each time, keeps to arithmetic without chance, and is what docs/scaling.md shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.simulate_scaling import FIGURES, Figure, Plan, _time, figure, simulate

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


def test_one_photo_takes_one_machine_its_time() -> None:
    found = simulate(1, 1, rate=2.0, seed=3)
    assert found == simulate(1, 1, rate=2.0, seed=3)
    assert 0.3 < found.seconds < 1.5


def test_without_chance_it_is_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("deaths an hour of a machine", "stragglers", "spread of speeds"):
        monkeypatch.setitem(FIGURES, name, Figure(1e-12, "none"))
    assert simulate(400_000, 10, rate=2.0).seconds == pytest.approx(400_000 / 10 / 2.0)


def test_deaths_cost_time_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = simulate(100_000, 4, rate=1.0)
    monkeypatch.setitem(FIGURES, "deaths an hour of a machine", Figure(2.0, "often"))
    often = simulate(100_000, 4, rate=1.0)
    assert often.seconds > calm.seconds
    assert often.lost_s > calm.lost_s


@pytest.mark.parametrize("nodes", [1, 10, 100, 1000])
def test_the_page_shows_what_is_simulated(nodes: int) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind, price in (("CPU", 0.3), ("GPU", 3.0)):
        found = simulate(10**6, nodes, figure(f"photos/s of a {kind} machine"))
        plan = Plan(10**6, nodes, found, price)
        row = next(line for line in page.splitlines() if line.startswith(f"| 10^6 | {nodes:,} |"))
        assert f"| {_time(found.seconds)} | {plan.cost:,.0f} |" in row
