"""What the facts of a store say about when and where its media were taken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.decisions.facts.table import FactsTable
from detector.deployments.captures import Captures


def captures_of(facts: FactsTable) -> Captures:
    """The captures of a store's media items."""
    source = pc.fill_null(facts.media["captured_from"].cast(pa.string()), "")
    duration_s = np.where(facts.is_video, pc.fill_null(facts.media["duration_s"], 0).to_numpy(), 0.0)
    return Captures(
        path=facts.media["path"],
        folder=facts.folder,
        folders=facts.folders,
        is_video=facts.is_video,
        captured_at=facts.captured_at,
        from_name=pc.equal(source, "filename").to_numpy(),
        modified_at=facts.modified_at,
        duration_s=duration_s,
        length_ms=_length_ms(facts, duration_s),
    )


def _length_ms(facts: FactsTable, duration_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """How long items last, int64 (M,): as their files say, or to the last frame that was seen."""
    seconds = duration_s.copy()
    np.maximum.at(seconds, facts.frame_media, facts.time_s)
    return (seconds * 1000).astype(np.int64)
