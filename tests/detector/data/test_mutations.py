"""Thousands of damaged label files: each ends in the right set, or in an error that names the file and says what to do.

In a picture that is kept, every bird must have its box or lie in an ignored region, and no box may be where no bird is.
Pictures may be left out (a few), never emptied. What only says the same in another way must be read whole.
"""

import copy
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backbones.errors import HoopoeError
from detector.data.convert.voc import voc_to_coco
from detector.data.convert.yolo import yolo_to_coco
from detector.data.doctor.document import read_document, write_document
from detector.data.doctor.examination import examine
from detector.data.doctor.losses import Losses
from detector.data.doctor.repair import repair
from detector.data.packed import CocoSource
from tests.detector.data.coco_mutations import COCO, coco_document
from tests.detector.data.drawn_birds import NAMES, PICTURES, Truth, check, draw_set
from tests.detector.data.label_file_mutations import VOC, YOLO, voc_files, yolo_files
from tests.detector.data.mutating import Mutation

DEFAULT, ALL = 100, 5000  # mutations; all take some minutes


def hold_error(error: HoopoeError, mutation: Mutation, *folders: Path) -> None:
    """An error names a file of these folders and says what to do, and nothing harmless makes one."""
    assert not mutation.harmless, error
    assert error.problem, error
    assert error.hint, error
    assert any(str(folder) in str(error.where) for folder in folders), error


def damaged_bytes(data: bytes, rng) -> bytes:
    """Nothing, another encoding, a cut, or a few bytes changed in the structure."""
    kind = int(rng.integers(8))
    if kind == 0:
        return data[: int(rng.integers(1, len(data)))]
    if kind == 1:
        return data.decode().encode("utf-16")
    if kind == 2:
        return b"\xef\xbb\xbf" + data
    return data


def run_coco(truth: Truth, images: Path, folder: Path, rng, mutation: Mutation) -> str:
    """Mutate, then read directly, and after the doctor's mending."""
    document = coco_document(truth)
    mutation.apply(document, rng)
    path, fixed = folder / "birds.json", folder / "fixed.json"
    data = json.dumps(document).encode()
    path.write_bytes(data if mutation.harmless else damaged_bytes(data, rng))
    outcomes = []
    try:
        count = check(path, images, truth)
        assert count >= PICTURES - 1 or not mutation.harmless
        outcomes.append("read")
    except HoopoeError as error:
        hold_error(error, mutation, folder, images)
        outcomes.append("refused")
    try:
        source = CocoSource(path, images)
        examined = examine(source)
        original = read_document(path, images)
        mended, repairs = repair(original, examined, examined.findings)
        if Losses.between(original, mended, repairs).problem is not None:
            outcomes.append("too much lost")
        else:
            write_document(mended, fixed)
            count = check(fixed, images, truth)
            assert count >= (1 - 0.03) * PICTURES - 1
            outcomes.append("mended")
    except HoopoeError as error:
        hold_error(error, mutation, folder, images)
        outcomes.append("not mended")
    assert not mutation.harmless or outcomes == ["read", "mended"], outcomes
    return ", ".join(outcomes)


class Random:
    """A generator that knows the truth, for mutations of whole files."""

    def __init__(self, seed: int, truth: Truth) -> None:
        self.truth = truth
        self._rng = np.random.default_rng(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rng, name)


def run_files(truth: Truth, images: Path, folder: Path, rng, kind: str, mutation: Mutation) -> str:
    """Mutate label files, convert, and read the result."""
    labels, path = folder / "labels", folder / "birds.json"
    shutil.rmtree(labels, ignore_errors=True)
    files = yolo_files(truth) if kind == "yolo" else voc_files(truth)
    mutation.apply(files, rng)
    for name, text in files.items():
        (labels / name).parent.mkdir(parents=True, exist_ok=True)
        (labels / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    try:
        document, problems = yolo_to_coco(images, labels, NAMES) if kind == "yolo" else voc_to_coco(images, labels)
        write_document(document, path)
        count = check(path, images, truth)
    except HoopoeError as error:
        hold_error(error, mutation, folder)
        return "refused"
    lost = sum(problem.costs_picture for problem in problems)
    assert count + lost == PICTURES, "what is left out is listed"
    assert all(str(folder) in problem.where or str(images) in problem.where for problem in problems)
    assert lost == 0 or not mutation.harmless, problems
    return "converted" if lost == 0 else "left out some"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return draw_set(folder), folder


def run_mutations(drawn, folder: Path, seeds: range) -> Counter[str]:
    """What becomes of so many mutations; one that makes background of a bird, or a traceback, fails with its number."""
    truth, images = drawn
    outcomes: Counter[str] = Counter()
    everything = [(kind, name) for kind, table in (("coco", COCO), ("yolo", YOLO), ("voc", VOC)) for name in table]
    for seed in seeds:
        kind, name = everything[seed % len(everything)]
        rng = Random(seed, copy.deepcopy(truth))
        try:
            if kind == "coco":
                outcome = run_coco(truth, images, folder, rng, COCO[name])
            else:
                outcome = run_files(truth, images, folder, rng, kind, (YOLO if kind == "yolo" else VOC)[name])
        except Exception as error:
            raise AssertionError(f"mutation {seed}, {kind}: {name}: {type(error).__name__}: {error}") from error
        outcomes[f"{kind}: {outcome}"] += 1
    return outcomes


def test_an_unharmed_set_is_what_was_drawn(drawn, tmp_path):
    truth, images = drawn
    path = tmp_path / "birds.json"
    path.write_text(json.dumps(coco_document(truth)))
    assert check(path, images, truth) == PICTURES


def assert_all_ends_occur(outcomes: Counter[str], mutations: int) -> None:
    """Every mutation ended, and no way to end is empty words: sets are read, mended, read in part, and refused."""
    assert outcomes.total() == mutations
    assert {
        *(f"coco: {read}, mended" for read in ("read", "refused")),
        *(f"coco: refused, {rest}" for rest in ("too much lost", "not mended")),
        *(f"{kind}: {end}" for kind in ("yolo", "voc") for end in ("converted", "left out some", "refused")),
    } <= outcomes.keys()


def test_no_mutation_makes_background_of_a_bird(drawn, tmp_path):
    assert_all_ends_occur(run_mutations(drawn, tmp_path, range(DEFAULT)), DEFAULT)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_mutation_of_thousands_makes_background_of_a_bird(drawn, tmp_path):
    outcomes = run_mutations(drawn, tmp_path, range(DEFAULT, ALL))
    print(json.dumps(outcomes, indent=1))
    assert_all_ends_occur(outcomes, ALL - DEFAULT)
