"""Files with the same content: the first by card and path that could be read counts, the others are its copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.store.reader import FactsReader
from detector.store.vectors import binary_matrix

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
    codes = np.concatenate([np.zeros(0, np.uint64), *(_codes(batch["content_hash"]) for batch in _items(reader))])
    codes.sort()
    repeated = np.unique(codes[1:][codes[1:] == codes[:-1]])
    first: dict[str, tuple[str, str, str]] = {}
    for batch in _items(reader) if len(repeated) else ():
        # two contents may share a code: `copies` compares them whole
        copied = batch.filter(pa.array(np.isin(_codes(batch["content_hash"]), repeated)))
        for key, card, path, content in zip(*(copied[name].to_pylist() for name in _COLUMNS[:4]), strict=True):
            first[content] = min(first.get(content, (card, path, key)), (card, path, key))
    several = sorted(first)
    return Originals(pa.array(several, pa.string()), pa.array([first[content][2] for content in several], pa.string()))


def _items(reader: FactsReader) -> Iterator[pa.RecordBatch]:
    """The first rows of files that could be read and whose content is known."""
    for part in reader.parts():
        before = None
        for batch in reader.batches(part, _COLUMNS):
            if not batch.num_rows:
                continue
            ids = batch["media_id"]
            new = np.ones(len(ids), bool)
            new[1:] = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
            new[0] = ids[0].as_py() != before
            before = ids[-1].as_py()
            known = pc.and_(
                pc.greater(pc.fill_null(pc.binary_length(batch["content_hash"]), 0), 0), pc.is_null(batch["failure"])
            )
            yield batch.filter(pc.and_(pa.array(new), known))


def _codes(contents: pa.Array) -> NDArray[np.uint64]:
    """A number for each text (N,) that equal ones share, as few others do."""
    lengths = pc.binary_length(contents).to_numpy()
    codes = np.zeros(len(contents), np.uint64)
    for length in np.unique(lengths).tolist():
        rows = lengths == length
        letters = binary_matrix(contents.filter(pa.array(rows)).cast(pa.binary()), "u1")
        words = np.zeros((len(letters), -(-length // 8) * 8), np.uint8)
        words[:, :length] = letters
        code = np.full(len(letters), length, np.uint64)
        for word in words.view(np.uint64).T:
            code = (code ^ word) * np.uint64(0x9E3779B97F4A7C15)
            code ^= code >> np.uint64(29)
        codes[rows] = code
    return codes
