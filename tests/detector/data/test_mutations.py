"""Thousands of damaged label files: each ends in the right set, or in an error that names the file and says what to do.

The oracle is independent of the readers: it knows where the birds were drawn. In a picture that is kept, every bird
must have its box or lie in an ignored region, and no box may be where no bird is. Pictures may be left out (a few),
never emptied. What only says the same in another way must be read whole.
"""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from backbones.errors import HoopoeError
from detector.data.coco.reading import read_coco
from detector.data.convert.voc import voc_to_coco
from detector.data.convert.yolo import yolo_to_coco
from detector.data.dataset import EvaluationDataset
from detector.data.doctor.document import read_document, write_document
from detector.data.doctor.examination import examine
from detector.data.doctor.losses import Losses
from detector.data.doctor.repair import repair
from detector.data.packed import CocoSource
from detector.data.resizing import SizeRule

WIDTH, HEIGHT, PICTURES = 160, 120, 24
NAMES = ("owl", "tit")
DEFAULT, ALL = 300, 5000  # mutations; all take some minutes


@dataclass(frozen=True)
class Bird:
    """A bird that was drawn: left, top, width, height in pixels."""

    name: str
    box: tuple[float, float, float, float]


Truth = dict[str, list[Bird]]


def draw_set(folder: Path) -> Truth:
    """Pictures with birds at known places, one of ten without."""
    rng = np.random.default_rng(0)
    truth: Truth = {}
    (folder / "cam").mkdir(parents=True)
    for number in range(PICTURES):
        name = f"cam/{number:02}.png" if number % 4 == 0 else f"{number:02}.png"
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
        birds = []
        for _ in range(0 if number % 10 == 0 else int(rng.integers(1, 4))):
            w, h = rng.integers(12, 60), rng.integers(12, 50)
            x, y = rng.integers(0, WIDTH - w + 1), rng.integers(0, HEIGHT - h + 1)
            birds.append(Bird(NAMES[int(rng.integers(2))], (float(x), float(y), float(w), float(h))))
        truth[name] = birds
    return truth


# --- what must hold ---------------------------------------------------------------------------------------------------


def overlap(one, other):
    """Intersection, and area of each, of two boxes given as left, top, width, height."""
    sides = [max(0.0, min(one[n] + one[n + 2], other[n] + other[n + 2]) - max(one[n], other[n])) for n in (0, 1)]
    return sides[0] * sides[1], one[2] * one[3], other[2] * other[3]


def is_same(one, other):
    shared, a, b = overlap(one, other)
    return shared / (a + b - shared) > 0.97


def check(path: Path, images: Path, truth: Truth) -> int:
    """Hold a COCO file, read as training and evaluation read it, against what was drawn; how many pictures it has."""
    annotations, _ = read_coco([(path, images)])
    data = EvaluationDataset(annotations, SizeRule(HEIGHT, WIDTH))
    assert len(set(map(annotations.file_names.__getitem__, range(len(annotations))))) == len(annotations)
    for place in range(len(annotations)):
        item = data[place]  # reads the picture, and refuses a wrong size
        scale = item.image.shape[2] / WIDTH
        boxes = [tuple(box) for box in item.target["boxes"].numpy() / scale]
        boxes = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes]
        ignored = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in item.target["ignored"].numpy() / scale]
        found = [annotations.category_names[label] for label in item.target["labels"].tolist()]
        name = str(annotations.file_names[place]).removeprefix("./")
        for bird in truth[name]:
            same = [label for label, box in zip(found, boxes, strict=True) if is_same(bird.box, box)]
            inside = any(overlap(bird.box, region)[0] > 0.97 * overlap(bird.box, region)[1] for region in ignored)
            assert bird.name in same or inside, f"the {bird.name} of {name} at {bird.box} became background"
        for box in boxes:
            assert any(is_same(bird.box, box) for bird in truth[name]), f"there is no bird in {name} at {box}"
    return len(annotations)


@dataclass(frozen=True)
class Mutation:
    """A change of a valid set.

    Args:
        apply: Changes it, with a random generator.
        harmless: Says the same in another way: everything must be read.
    """

    apply: Callable[..., Any]
    harmless: bool = False


def hold_error(error: HoopoeError, mutation: Mutation, *folders: Path) -> None:
    """An error names a file of these folders and says what to do, and nothing harmless makes one."""
    assert not mutation.harmless, error
    assert error.problem, error
    assert error.hint, error
    assert any(str(folder) in str(error.where) for folder in folders), error


# --- COCO -------------------------------------------------------------------------------------------------------------


def coco_document(truth: Truth) -> dict[str, Any]:
    images, annotations = [], []
    for number, (name, birds) in enumerate(truth.items(), 1):
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for bird in birds:
            area = bird.box[2] * bird.box[3]
            record = {"id": len(annotations) + 1, "image_id": number, "category_id": NAMES.index(bird.name) + 1}
            annotations.append(record | {"bbox": list(bird.box), "area": area, "iscrowd": 0})
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def some(rng, records):
    """One record, a few, or all of them."""
    count = [1, min(3, len(records)), len(records)][int(rng.integers(3))]
    return [records[place] for place in rng.permutation(len(records))[:count]]


def one_of(rng, values):
    return values[int(rng.integers(len(values)))]


def each_annotation(change):
    def apply(document, rng):
        for record in some(rng, document["annotations"]):
            change(record, rng)

    return apply


def each_image(change):
    def apply(document, rng):
        for record in some(rng, document["images"]):
            change(record, rng)

    return apply


def text_of(key):
    return lambda record, _: record.update({key: str(record[key])})


def float_of(key):
    return lambda record, _: record.update({key: float(record[key])})


def without(key):
    return lambda record, _: record.pop(key, None)


RUBBISH = (None, "", "x", "NaN", True, [], {}, [1], {"a": 1}, -1, 0, 1e300, 10**30, -7.5, "../x", "\\", [[1, 2, 3, 4]])


def rubbish_in(key):
    return lambda record, rng: record.update({key: one_of(rng, RUBBISH)})


def broken_box(record, rng):
    x, y, w, h = record["bbox"]
    record["bbox"] = one_of(
        rng,
        [
            [x, y, 0, h], [x, y, -w, h], [x, y, w, -h], [x + 1e6, y, w, h], [x, y, w], [x, y, w, h, 1], [None, y, w, h],
            [x, y, w, 1e9], [x, y, "w", h], [float("nan"), y, w, h], [x, y, float("inf"), h], [-1e9, y, w, h],
        ],
    )  # fmt: skip


def convention(write):
    def apply(document, _):
        for record in document["annotations"]:
            record["bbox"] = list(write(*record["bbox"]))

    return apply


def shuffled(document, rng):
    for table in document.values():
        rng.shuffle(table)


def renumbered(document, rng):
    ids = {record["id"]: int(new) for record, new in zip(document["images"], rng.permutation(10**6), strict=False)}
    for record in document["images"]:
        record["id"] = ids[record["id"]]
    for record in document["annotations"]:
        record["image_id"] = ids[record["image_id"]]


def polygon(record, _):
    x, y, w, h = record.pop("bbox")
    record["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]


def same_file_twice(document, rng):
    """One image record becomes two, its boxes on the second."""
    record = one_of(rng, document["images"])
    document["images"].append(record | {"id": 9999})
    for each in document["annotations"]:
        if each["image_id"] == record["id"]:
            each["image_id"] = 9999


def repeat_in(table):
    return lambda document, rng: document[table].append(dict(one_of(rng, document[table])))


def remove_category(document, rng):
    document["categories"].remove(one_of(rng, document["categories"]))


COCO: dict[str, Mutation] = {
    "nothing": Mutation(lambda document, rng: None, harmless=True),
    "order": Mutation(shuffled, harmless=True),
    "numbers of images": Mutation(renumbered, harmless=True),
    "image_id as text": Mutation(each_annotation(text_of("image_id")), harmless=True),
    "category_id as text": Mutation(each_annotation(text_of("category_id")), harmless=True),
    "iscrowd as text": Mutation(each_annotation(text_of("iscrowd")), harmless=True),
    "area as text": Mutation(each_annotation(text_of("area")), harmless=True),
    "area missing": Mutation(each_annotation(without("area")), harmless=True),
    "iscrowd missing": Mutation(each_annotation(without("iscrowd")), harmless=True),
    "annotation id missing": Mutation(each_annotation(without("id")), harmless=True),
    "image ids as texts": Mutation(each_image(text_of("id")), harmless=True),
    "floats": Mutation(each_annotation(float_of("image_id")), harmless=True),
    "width as text": Mutation(each_image(text_of("width")), harmless=True),
    "Windows paths": Mutation(
        each_image(lambda record, _: record.update(file_name=record["file_name"].replace("/", "\\"))), harmless=True
    ),
    "bbox as texts": Mutation(
        each_annotation(lambda record, _: record.update(bbox=[str(value) for value in record["bbox"]])), harmless=True
    ),
    "polygons": Mutation(each_annotation(polygon), harmless=True),
    "unknown keys": Mutation(each_annotation(lambda record, _: record.update(keypoints=[1], score=0.1)), harmless=True),
    "annotation twice": Mutation(repeat_in("annotations"), harmless=False),
    "ignored": Mutation(each_annotation(lambda record, _: record.update(ignore=1)), harmless=True),
    "broken box": Mutation(each_annotation(broken_box)),
    "no box": Mutation(each_annotation(without("bbox"))),
    "corners": Mutation(convention(lambda x, y, w, h: (x, y, x + w, y + h))),
    "centres": Mutation(convention(lambda x, y, w, h: (x + w / 2, y + h / 2, w, h))),
    "fractions": Mutation(convention(lambda x, y, w, h: (x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT))),
    "fractions of corners": Mutation(
        convention(lambda x, y, w, h: (x / WIDTH, y / HEIGHT, (x + w) / WIDTH, (y + h) / HEIGHT))
    ),
    "fractions of centres": Mutation(
        convention(lambda x, y, w, h: ((x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT))
    ),
    "per cents": Mutation(
        convention(lambda x, y, w, h: (x / WIDTH * 100, y / HEIGHT * 100, w / WIDTH * 100, h / HEIGHT * 100))
    ),
    "unknown image": Mutation(each_annotation(lambda record, _: record.update(image_id=7777))),
    "unknown category": Mutation(each_annotation(lambda record, _: record.update(category_id=77))),
    "no image": Mutation(each_annotation(without("image_id"))),
    "no category": Mutation(each_annotation(without("category_id"))),
    "size": Mutation(each_image(lambda record, rng: record.update(width=one_of(rng, [1, 120, 161, 1600])))),
    "size missing": Mutation(each_image(without("width"))),
    "name": Mutation(
        each_image(lambda record, rng: record.update(file_name=one_of(rng, ["none.png", "01.PNG", "", "/01.png"])))
    ),
    "one file twice": Mutation(same_file_twice),
    "image twice": Mutation(repeat_in("images")),
    "image id twice": Mutation(each_image(lambda record, _: record.update(id=3))),
    "annotation id twice": Mutation(each_annotation(lambda record, _: record.update(id=3)), harmless=True),
    "category lost": Mutation(remove_category),
    **{
        f"rubbish in {table} {key}": Mutation(change(rubbish_in(key)))
        for table, keys, change in (
            ("annotations", ("id", "image_id", "category_id", "bbox", "area", "iscrowd"), each_annotation),
            ("images", ("id", "file_name", "width", "height"), each_image),
        )
        for key in keys
    },
}  # fmt: skip


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


# --- YOLO and VOC -----------------------------------------------------------------------------------------------------


def yolo_line(bird: Bird) -> str:
    x, y, w, h = bird.box
    centre = f"{(x + w / 2) / WIDTH:.6f} {(y + h / 2) / HEIGHT:.6f}"
    return f"{NAMES.index(bird.name)} {centre} {w / WIDTH:.6f} {h / HEIGHT:.6f}\n"


def yolo_files(truth: Truth) -> dict[str, str]:
    return {str(Path(name).with_suffix(".txt")): "".join(map(yolo_line, birds)) for name, birds in truth.items()}


def voc_files(truth: Truth) -> dict[str, str]:
    def item(bird):
        x, y, w, h = map(int, bird.box)
        corners = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
        return f"<object><name>{bird.name}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>"

    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return {
        str(Path(name).with_suffix(".xml")): f"<annotation>{size}{''.join(map(item, birds))}</annotation>"
        for name, birds in truth.items()
    }


def with_birds(files: dict[str, str]) -> list[str]:
    return [name for name, text in files.items() if "0." in text or "<object>" in text]


def some_lines(change):
    """Change one line of some files."""

    def apply(files, rng):
        for name in some(rng, with_birds(files)):
            lines = files[name].splitlines()
            place = int(rng.integers(len(lines)))
            lines[place] = change(lines[place].split(), rng)
            files[name] = "\n".join(lines)

    return apply


def all_lines(change):
    def apply(files, rng):
        for name, text in files.items():
            files[name] = "\n".join(change([float(word) for word in line.split()], rng) for line in text.splitlines())

    return apply


def words(*values):
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def replaced(old, new):
    """Replace one place of some files."""

    def apply(files, rng):
        for name in some(rng, with_birds(files)):
            files[name] = files[name].replace(old, new, 1)

    return apply


def other_name(suffix=None):
    """Give some label files another name."""

    def apply(files, rng):
        for name in some(rng, with_birds(files)):
            path = Path(name)
            files[str(path.with_suffix(suffix) if suffix else path.with_stem("x" + path.stem))] = files.pop(name)

    return apply


def number_replaced(value):
    def change(line, rng):
        place = int(rng.integers(1, 5))
        return " ".join([*line[:place], value, *line[place + 1 :]])

    return some_lines(change)


YOLO: dict[str, Mutation] = {
    "nothing": Mutation(lambda files, rng: None, harmless=True),
    "blank lines": Mutation(replaced("\n", "\n\n"), harmless=True),
    "Windows' line ends": Mutation(replaced("\n", "\r\n"), harmless=True),
    "tabs": Mutation(some_lines(lambda line, _: "\t".join(line)), harmless=True),
    "class as float": Mutation(some_lines(lambda line, _: " ".join([f"{line[0]}.0", *line[1:]])), harmless=True),
    "tracks": Mutation(all_lines(lambda line, rng: words(*line, int(rng.integers(2, 99)))), harmless=True),
    "a number less": Mutation(some_lines(lambda line, _: " ".join(line[:4]))),
    "a number more": Mutation(some_lines(lambda line, _: " ".join([*line, "0.5"]))),
    "a word": Mutation(number_replaced("x")),
    "nan": Mutation(number_replaced("nan")),
    "inf": Mutation(number_replaced("-inf")),
    "huge": Mutation(number_replaced("1e30")),
    "comma": Mutation(some_lines(lambda line, _: " ".join(line).replace(".", ","))),
    "no width": Mutation(some_lines(lambda line, _: " ".join([*line[:3], "0", line[4]]))),
    "class": Mutation(some_lines(lambda line, rng: " ".join([one_of(rng, ["2", "-1", "0.5", "owl", ""]), *line[1:]]))),
    "scores": Mutation(all_lines(lambda line, rng: words(*line, float(rng.uniform(0.1, 1))))),
    "pixels": Mutation(
        all_lines(lambda v, _: words(int(v[0]), v[1] * WIDTH, v[2] * HEIGHT, v[3] * WIDTH, v[4] * HEIGHT))
    ),
    "corners": Mutation(
        all_lines(lambda v, _: words(int(v[0]), v[1] - v[3] / 2, v[2] - v[4] / 2, v[1] + v[3] / 2, v[2] + v[4] / 2))
    ),
    "left and top": Mutation(all_lines(lambda v, _: words(int(v[0]), v[1] - v[3] / 2, v[2] - v[4] / 2, v[3], v[4]))),
    "per cents": Mutation(all_lines(lambda v, _: words(int(v[0]), *(100 * value for value in v[1:])))),
    "pose": Mutation(all_lines(lambda v, rng: words(*v, *[v[1], v[2] + v[4] / 4] * 4))),
    "pose with visibility": Mutation(all_lines(lambda v, rng: words(*v, *[v[1], v[2], 2] * 3))),
    "other name": Mutation(other_name()),
    "other suffix": Mutation(other_name(".TXT")),
    "no text": Mutation(replaced("0.", "\x00\udcff")),
}  # fmt: skip

VOC: dict[str, Mutation] = {
    "nothing": Mutation(lambda files, rng: None, harmless=True),
    "spaces": Mutation(replaced("><", ">\n  <"), harmless=True),
    "decimals": Mutation(replaced("</xmin>", ".0</xmin>"), harmless=True),
    "no difficult": Mutation(replaced("<difficult>0</difficult>", ""), harmless=True),
    "difficult": Mutation(replaced("<difficult>0", "<difficult>1"), harmless=True),
    "difficult in words": Mutation(replaced("<difficult>0", "<difficult>perhaps")),
    "no size": Mutation(replaced("<size>", "<was>")),
    "other size": Mutation(replaced("<width>160", "<width>320")),
    "turned size": Mutation(replaced("<width>160</width><height>120", "<width>120</width><height>160")),
    "no name": Mutation(replaced("<name>", "<names>")),
    "empty name": Mutation(replaced("owl</name>", "</name>")),
    "no corner": Mutation(replaced("<xmin>", "<xm>")),
    "word in corner": Mutation(replaced("</xmax>", "px</xmax>")),
    "negative": Mutation(replaced("<xmax>", "<xmax>-")),
    "nan": Mutation(replaced("<ymin>", "<ymin>nan</ymin><ymin>")),
    "cut": Mutation(replaced("</bndbox></object>", "")),
    "no XML": Mutation(replaced("<annotation>", "")),
    "entity": Mutation(replaced("<annotation>", '<!DOCTYPE a [<!ENTITY x "y">]><annotation>')),
    "other name": Mutation(other_name()),
    "other suffix": Mutation(other_name(".XML")),
    "left, top, width, height": Mutation(lambda files, rng: files.update(voc_files(as_if_corners(rng.truth)))),
}  # fmt: skip


def as_if_corners(truth: Truth) -> Truth:
    """Birds whose corners are the left, top, width and height of those that were drawn."""
    return {
        name: [Bird(bird.name, (x, y, w - x, h - y)) for bird in birds for x, y, w, h in [bird.box]]
        for name, birds in truth.items()
    }


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
    return "converted" if lost == 0 else "left out some" if count else "left out all"


# --- the runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return draw_set(folder), folder


def run_mutations(drawn, folder: Path, seeds: range) -> dict[str, int]:
    truth, images = drawn
    outcomes: dict[str, int] = {}
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
        outcomes[f"{kind}: {outcome}"] = outcomes.get(f"{kind}: {outcome}", 0) + 1
    return outcomes


def test_an_unharmed_set_is_what_was_drawn(drawn, tmp_path):
    truth, images = drawn
    path = tmp_path / "birds.json"
    path.write_text(json.dumps(coco_document(truth)))
    assert check(path, images, truth) == PICTURES


def test_no_mutation_makes_background_of_a_bird(drawn, tmp_path):
    run_mutations(drawn, tmp_path, range(DEFAULT))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_mutation_of_thousands_makes_background_of_a_bird(drawn, tmp_path):
    print(json.dumps(run_mutations(drawn, tmp_path, range(DEFAULT, ALL)), indent=1))
