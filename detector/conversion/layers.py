"""Groups of layers that stand or fall together in 8 bits, by the names that tracing gives them."""

from __future__ import annotations

import re

FLOATABLE = {
    "stem": r"\.stem\b|\.body\.(?:conv1|bn1|relu)\b",
    **{f"stage{stage}": rf"\.stage{stage}\b|\.body\.layer{stage}\b" for stage in range(1, 5)},
    "norms": r"\.norms\b",
    "fpn": r"\.fpn\b",
    "head": r"__module\.head\b|__module\.predictor\b",
    "features": r"\.features\b",
}


def pattern_of(group: str) -> str:
    """The regular expression that whole names of a group's nodes match."""
    return rf".*(?:{FLOATABLE[group]}).*"


def group_of(name: str) -> str | None:
    """The group of a node; None: it is of none."""
    return next((group for group, pattern in FLOATABLE.items() if re.search(pattern, name)), None)
