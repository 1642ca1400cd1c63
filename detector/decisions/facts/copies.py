"""Files with the same content: the first by card and path that could be read counts, the others are its copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.store.reader import FactsReader

_COLUMNS = ["media_id", "card", "path", "content_hash", "failure"]


@dataclass(frozen=True, eq=False)
class Originals:
    """Contents that several files have.

    Attributes:
        hashes: string (N,).
        media_ids: string (N,), the first file with each content by card and path that could be read.
    """

    hashes: pa.Array
    media_ids: pa.Array

    def copies(self, media: pa.Table, failed: NDArray[np.bool_]) -> pa.Array:
        """Of each media item (M) the `media_id` of the original; null: it is none's copy, or cannot be read."""
        hashes = pc.fill_null(media["content_hash"], "").combine_chunks().cast(pa.string())
        originals = self.media_ids.take(pc.index_in(hashes, self.hashes))
        copied = pc.fill_null(pc.not_equal(originals, media["media_id"].combine_chunks()), False)
        return pc.if_else(pc.and_(copied, pa.array(~failed)), originals, pa.scalar(None, pa.string()))


def originals_among(media: pa.Table, failed: NDArray[np.bool_]) -> Originals:
    """The contents that several of these media items have, which are by card and path."""
    media = media.filter(pa.array(~failed))
    hashes = pc.fill_null(media["content_hash"], "").combine_chunks().cast(pa.string())
    encoded = hashes.dictionary_encode()
    codes, first, counts = np.unique(encoded.indices.to_numpy(), return_index=True, return_counts=True)
    several = (counts > 1) & pc.not_equal(encoded.dictionary, "").to_numpy(zero_copy_only=False)[codes]
    return Originals(hashes.take(pa.array(first[several])), media["media_id"].combine_chunks().take(first[several]))


def originals_of(reader: FactsReader) -> Originals:
    """The contents that several files of a store have, in 8 bytes a file and the names of the copied ones."""
    codes = np.fromiter((hash(content) for _, _, _, content in _items(reader)), np.int64)
    values, counts = np.unique(codes, return_counts=True)
    repeated = set(values[counts > 1].tolist())
    first: dict[str, tuple[str, str, str]] = {}
    if repeated:
        for key, card, path, content in _items(reader):
            if hash(content) in repeated:  # two contents may share a hash: `copies` compares them whole
                first[content] = min(first.get(content, (card, path, key)), (card, path, key))
    return Originals(pa.array(list(first), pa.string()), pa.array([each[2] for each in first.values()], pa.string()))


def _items(reader: FactsReader) -> Iterator[tuple[str, str, str, str]]:
    """(media_id, card, path, content's hash) of files that could be read and whose content is known."""
    for part in reader.parts():
        before = None
        for batch in reader.batches(part, _COLUMNS):
            for item in zip(*(batch[name].to_pylist() for name in _COLUMNS), strict=True):
                if item[0] != before and item[3] and item[4] is None:
                    yield item[:4]
                before = item[0]
