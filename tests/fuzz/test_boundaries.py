"""Every boundary takes a damaged file or refuses it in words: some each time, and a long search behind `slow`."""

import os
import random
import secrets
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.files import FILES
from tests.fuzz.harness import Boundary, check, damaged, search
from tests.fuzz.pictures import PICTURES
from tests.fuzz.records import RECORDS
from tests.fuzz.tables import TABLES
from tests.fuzz.videos import VIDEOS
from tests.fuzz.weights import WEIGHTS

BOUNDARIES = (*PICTURES, *VIDEOS, *FILES, *RECORDS, *WEIGHTS, *TABLES)
SECONDS = float(os.environ.get("HOOPOE_FUZZ_SECONDS", "3600"))
KEPT = Path(__file__).parents[2] / "runs" / "fuzz"


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=lambda boundary: boundary.name)
def test_a_damaged_file_is_taken_or_refused_in_words(boundary: Boundary, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    contents = boundary.make(folder)
    for content in contents:
        assert check(boundary, folder, content), "what is valid is taken"
    check(boundary, folder, b"")

    @settings(max_examples=boundary.examples, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def any_damage(seed: int) -> None:
        check(boundary, folder, damaged(contents, boundary.words, random.Random(seed)))

    any_damage()


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_long_search_finds_nothing(tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    found = list(search(BOUNDARIES, tmp_path, SECONDS, seed, KEPT))
    assert not found, f"seed {seed}; the files are in {KEPT}\n" + "\n".join(found)
