"""Photos with boxes, for the tests of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.detector.decisions.small_facts import START, Maker, Photo


@pytest.fixture
def photo(facts_maker: Maker) -> Photo:
    """A photo taken so many seconds after the start, with boxes of these logits side by side."""

    def make(
        path: str, seconds: float = 0, *, packed: Sequence[bytes | None] = (), card: str = "card", **box: Any
    ) -> list:
        found = [facts_maker.box(**{"x": 0.2 * n, "logits": each, **box}) for n, each in enumerate(packed)]
        return [facts_maker.row(path, card, found, captured_at=START + timedelta(seconds=seconds), brightness=0.5)]

    return make
