"""The reviews of a store that a program keeps open: each part is read once."""

from __future__ import annotations

from pathlib import Path

from detector.store.layout import reviews_folder
from detector.store.reviews.log import read_part
from detector.store.reviews.review import Review
from detector.store.reviews.words import Words, latest_words


class GrowingReviews:
    """What was said, by whoever says it and in whatever process.

    Args:
        folder: The store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = reviews_folder(folder)
        self._parts: dict[str, list[Review]] = {}

    def read(self) -> list[Review]:
        """As `read_reviews`.

        Raises:
            DataError: A part is damaged.
        """
        paths = sorted(self._folder.glob("*.parquet"))
        self._parts = {path.name: self._parts.get(path.name) or read_part(path) for path in paths}
        return sorted((each for part in self._parts.values() for each in part), key=lambda each: each.reviewed_at)

    def words(self) -> Words:
        """As `read_words`."""
        return latest_words(self.read())
