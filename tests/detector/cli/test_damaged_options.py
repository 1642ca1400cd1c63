"""Whatever words stand behind the options of decisions and exports, a command ends in words, and never as a defect."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.cli.main import main
from detector.cli.terminal.exit_codes import DEFECT
from detector.store.run_file import SpeciesEntry
from detector.store.schema import pack_vector
from tests.fuzz.harness import NUMBERS

OPTIONS = {
    "decide": (
        *("--deployments", "--taxonomy", "--prior", "--calibration", "--reviews", "--score-threshold"),
        *("--name-threshold", "--independence", "--camera-from", "--repeats", "--repeat-days", "--gap-days"),
        *("--kind", "--time-from", "--outside-period", "--unmatched"),
    ),
    "export": ("--format", "--score-threshold", "--root"),
}
WORDS = (
    *NUMBERS, "", " ", "none", "bird=bird", "=", "a=b=c", "x=animal", "feeder=10", "card=/", "(", "(?P<", "[a-z", "\\",
    ".*", "csv", "csv,", "csv,events", "mtime", "allow", "count", "leave-out", "\ud800", "é", "\0", "a" * 5000, "/",
    "/dev/null", "..", "-", "@x",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, facts_maker: SimpleNamespace) -> Path:
    box = facts_maker.box(logits=pack_vector([9.0, 0.0]))
    species = SpeciesEntry(name="two", classes=["Hooded crow", "Eurasian hoopoe"])
    return facts_maker.write(tmp_path / "store", [[facts_maker.row("a.jpg", boxes=[box])]], species=species)


def argument(rng: random.Random, command: str, store: Path) -> list[str]:
    words = [command, str(store)]
    for option in rng.sample(OPTIONS[command], rng.choice((1, 1, 2, 3))):
        words += [option, *rng.choices(WORDS, k=rng.choice((1, 1, 1, 0, 2)))]
    return words


def test_no_word_behind_an_option_is_a_defect(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32), st.sampled_from(sorted(OPTIONS)))
    def any_words(seed: int, command: str) -> None:
        words = argument(random.Random(seed), command, store)
        code = main(words)
        printed = capsys.readouterr()
        assert code != DEFECT, f"{words}: {printed.err[-600:]}"
        assert code in (0, 1, 2), words

    assert main(["decide", str(store)]) == 0
    any_words()
