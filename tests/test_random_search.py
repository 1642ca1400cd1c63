"""What hypothesis checks with fixed examples in each run of the tests holds for any other ones, too."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = int(os.environ.get("HOOPOE_SEARCH_RUNS", "20"))


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("run", range(RUNS))
def test_rules_hold_for_random_examples(run: int) -> None:
    """Each run draws examples of its own; a failure is found again by its seed."""
    seed = secrets.randbelow(2**32)
    words = ["-m", "hypothesis and not slow", "--hypothesis-profile=search", f"--hypothesis-seed={seed}"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-6000:]}"
