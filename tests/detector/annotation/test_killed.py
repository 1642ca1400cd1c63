"""A run that is killed at any moment goes on, and ends with the facts of one that was not disturbed."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time

import pytest

from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.cli.main import main
from detector.store.reader import facts_folder, parts
from tests.detector.annotation.store_checks import assert_same_facts, read_store

# as the command, but a part is written with every file, so that there is something to lose
COMMAND = """
import sys
from detector.cli.main import main
from detector.store.writer import FactsWriter
FactsWriter.__init__.__kwdefaults__["part_seconds"] = 0.0
sys.exit(main(sys.argv[1:]))
"""


def command(card, out, detector_file, species_file):
    words = ["annotate", card, "--output", out, "--detector", detector_file, "--species", species_file]
    options = ["--batch-size", "2", "--workers", "1", "--device", "cpu", "--precision", "fp32"]
    return [*map(str, words), *options]


def kill(words, out, seconds, at_start):
    """Run for a moment from the start, or from when some more files are finished on; then end it at once."""
    before = len(parts(facts_folder(out)))
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if not at_start:
        while len(parts(facts_folder(out))) == before and process.poll() is None:
            time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    process.wait()


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_killed_runs_go_on_to_the_same_facts(
    make_card, tmp_path, detector, species, detector_file, species_file, work, readers, kills, capsys
):
    card = make_card(photos=8 * kills, videos=2)
    settings = RunSettings(work, quiet=True, readers=readers)
    annotate(AnnotateRequest([card], tmp_path / "whole"), Models(detector, species), settings)
    out = tmp_path / "out"
    words = command(card, out, detector_file, species_file)
    moments = random.Random(0)
    for number in range(kills):
        kill(words, out, moments.uniform(0, 0.3), at_start=number % 4 == 3)
    finished = read_store(out)
    assert finished
    if kills == 1:
        assert len(finished) < 10
    assert main(words) == 0
    assert re.search(rf"\b{len(finished)} files finished before", capsys.readouterr().out)
    assert_same_facts(read_store(out), read_store(tmp_path / "whole"))
    assert (out / "results.json").is_file()
    assert (out / "events.csv").is_file()
