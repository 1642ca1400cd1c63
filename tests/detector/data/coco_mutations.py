"""Changes of a valid COCO document, most of them for the worse."""

from typing import Any

from tests.detector.data.drawn_birds import HEIGHT, NAMES, WIDTH, Truth
from tests.detector.data.mutating import Mutation, one_of, some


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
