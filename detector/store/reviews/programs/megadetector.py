"""MegaDetector's batch output (results.json) that somebody has edited by hand or by a script.

The format knows no person, so only what differs is a word: from what was exported, which our files repeat in each
detection. In files without it, it is what differs from the store where score and confidence are the store's: else it is
of other decisions or of another run, and nobody need have said it. A detection that is missing says nothing: programs
leave out what is below a threshold. One that no box of the store overlaps was added by a person if it lacks what our
files repeat, or in files of others, if it has no confidence or is sure (1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from backbones.errors import DataError
from detector.base.json_text import JSON_FAULTS, JsonError, decode_json
from detector.store.reviews.programs.words import ANY_ANIMAL, Box, Heard, Place, Word
from detector.store.reviews.table import as_exported

_HINT = "see https://lila.science/megadetector-output-format"


class _Results(msgspec.Struct):
    images: list[msgspec.Raw]
    detection_categories: dict[str, str]
    classification_categories: dict[str, str] = {}


class _Detection(msgspec.Struct):
    category: str | int
    bbox: Box
    conf: float | None = None
    frame_number: int | None = None
    classifications: list[tuple[str | int, float]] | None = None
    as_exported: str | None = None


class _Image(msgspec.Struct):
    file: str
    detections: list[msgspec.Raw] | None = None


def read_megadetector(path: Path, data: bytes) -> Heard:
    """The words of a results file.

    Raises:
        DataError: It is not of this format.
    """
    try:
        content = decode_json(data, _Results)
    except JsonError as error:
        raise DataError(f"not MegaDetector's format: {error}", where=path, hint=_HINT) from error
    ours = b"as_exported" in data
    words: list[Word] = []
    wrong: list[str] = []
    for index, record in enumerate(content.images):
        where = f"{path}: images[{index}]"
        try:
            image = msgspec.json.decode(record, type=_Image)
        except JSON_FAULTS as error:
            wrong.append(f"{where}: {error}")
            continue
        for number, raw in enumerate(image.detections or ()):
            try:
                words.append(_word(f"{where}.detections[{number}]", image.file, raw, content, ours))
            except (*JSON_FAULTS, ValueError) as error:
                wrong.append(f"{where}.detections[{number}]: {error}")
    return Heard(tuple(words), tuple(wrong))


def _word(where: str, file: str, raw: msgspec.Raw, content: _Results, ours: bool) -> Word:
    found = msgspec.json.decode(raw, type=_Detection)
    category = _name(content.detection_categories, found.category, "category")
    ranked = tuple(
        _name(content.classification_categories, key, "classification")
        for key, _ in sorted(found.classifications or (), key=lambda each: -each[1])
    )
    animal = category.casefold() == "animal"
    label = (ranked[0] if ranked else ANY_ANIMAL) if animal else category
    place = Place(path=file, frame=found.frame_number, xywh=found.bbox)
    now = as_exported([category, ranked[0] if ranked else None])
    edited = None if found.as_exported is None else now != found.as_exported
    by_hand = found.as_exported is None if ours else found.conf is None or found.conf >= 1
    word = Word(where, place, label, ranked=ranked if animal else (), edited=edited, draws=by_hand)
    if ours:
        return word
    sureness = max((sure for _, sure in found.classifications or ()), default=None)
    return replace(word, score=found.conf, probability=sureness)


def _name(names: Mapping[str, str], key: str | int, what: str) -> str:
    if str(key) not in names:
        raise ValueError(f"{what} '{key}' is none of those that the file names")
    return names[str(key)]
