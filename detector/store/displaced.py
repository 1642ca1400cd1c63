"""Cards that are not where they were: another one lies in their place, as in a reader that all cards go through."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from detector.store.files import open_parquet
from detector.store.layout import facts_folder, parts
from detector.store.reader import MEND_FACTS

LOOKED_AT = 200  # files of a card; enough to tell cards apart, few enough for a slow disk


def displaced_cards(folder: Path, roots: Mapping[str, Path | str]) -> set[str]:
    """Cards of a store at whose root lie other files under the same names: most of them are of another size.

    A card that is not there at all, or has none of the known files any more, is not displaced.

    Args:
        folder: The store.
        roots: Card id to the folder where it is said to be.

    Raises:
        DataError: A part of the facts is damaged.
    """
    sizes = _known_sizes(folder, {card for card, root in roots.items() if Path(root).exists()})
    return {card for card, files in sizes.items() if _differs(Path(roots[card]), files)}


def _known_sizes(folder: Path, cards: set[str]) -> dict[str, dict[str, int]]:
    """Path -> bytes of the first files of each card."""
    sizes: dict[str, dict[str, int]] = {card: {} for card in cards}
    for part in parts(facts_folder(folder)) if cards else ():
        with open_parquet(part, MEND_FACTS) as file:
            for batch in file.iter_batches(columns=["card", "path", "size_bytes"]):
                for card, path, size in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    if card in sizes and len(sizes[card]) < LOOKED_AT:
                        sizes[card][path] = size
        if all(len(files) >= LOOKED_AT for files in sizes.values()):
            break
    return sizes


def _differs(root: Path, sizes: Mapping[str, int]) -> bool:
    same = other = 0
    for path, size in sizes.items():
        try:
            there = (root / path).stat().st_size
        except OSError:  # gone, or not to be read now
            continue
        same += there == size
        other += there != size
    return other > same
