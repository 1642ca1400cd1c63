"""`compare` without its command line: two stores in, what changed and which is better out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backbones.errors import DataError
from detector.base.files import write_bytes
from detector.decisions.comparing.changes import Changes, find_changes
from detector.decisions.comparing.footage import by_models, by_people
from detector.decisions.comparing.judging import Judgement, judge, verdicts
from detector.store.reviews.log import read_reviews


@dataclass(frozen=True)
class StoreComparison:
    """Two stores.

    Attributes:
        first: The folder of the first.
        second: That of the second.
        changes: What changed, by models alone.
        judged: Which is nearer to people's words; None: nobody said any.
    """

    first: str
    second: str
    changes: Changes
    judged: Judgement | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        changes = asdict(self.changes)
        for name in ("files", "names"):
            changes[name] = _listed(getattr(self.changes, name))
        judged = None if self.judged is None else {**asdict(self.judged), "verdicts": dict(verdicts(self.judged))}
        return {"first": self.first, "second": self.second, "changes": changes, "judged": judged}

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_bytes(path, (json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n").encode())


def compare_stores(first: Path, second: Path) -> StoreComparison:
    """Compare two runs on the same files; nothing in either store is changed.

    Args:
        first: A store, as it was before, say.
        second: Another of the same footage, by other models or settings.

    Raises:
        DataError: They have no file in common, or one is no store or damaged.
        ConfigError: A store's options do not fit it.
    """
    own = by_models(first), by_models(second)
    changes = find_changes(*own)
    if not changes.common:
        problem = f"no file is in both: {changes.only_first} files there, {changes.only_second} here"
        hint = "compare two runs on the same footage, such as a copy of OUT after `hoopoe reclassify`"
        raise DataError(problem, where=second, hint=hint)
    reviewed = [folder for folder in (first, second) if read_reviews(folder)]
    judged = judge([by_people(folder) for folder in reviewed], *own) if reviewed else None
    return StoreComparison(str(first), str(second), changes, judged)


def _listed(pairs: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Transitions by falling number."""
    rows = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"first": one, "second": other, "count": count} for (one, other), count in rows]
