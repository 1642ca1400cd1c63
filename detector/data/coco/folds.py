"""Parting a data set into folds of whole groups (cameras, events): each is evaluated on by a detector of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backbones.errors import ConfigError


def balanced_folds(groups: Sequence[str], boxes: ArrayLike, folds: int) -> NDArray[np.int64]:
    """The fold of each picture: whole groups, about as many boxes in each fold, and among these as many pictures.

    As scikit-learn's GroupKFold does it: the largest groups first, each into the fold that is the lightest by then. It
    depends on the names of groups and on counts alone, not on the order of the pictures.

    Args:
        groups: Group of each picture, N.
        boxes: Its boxes (N,).
        folds: How many folds.

    Returns:
        int64 (N,), from 0.

    Raises:
        ConfigError: There are fewer groups with boxes than folds.
    """
    names, group_of = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    pictures = np.bincount(group_of, minlength=len(names))
    birds = np.bincount(group_of, weights=np.asarray(boxes, np.float64), minlength=len(names)).astype(np.int64)
    rich = int((birds > 0).sum())
    if rich < folds:
        raise ConfigError(
            f"{folds} folds need as many groups with boxes, and there are {rich}",
            where="--folds",
            hint=f"give at most --folds {rich}, or another --group-by" if rich > 1 else "give another --group-by",
        )
    fold_of = np.zeros(len(names), np.int64)
    weights = np.zeros((folds, 2), np.int64)  # boxes, pictures
    for group in np.lexsort((-pictures, -birds)).tolist():  # stable: equal ones by name
        lightest = int(np.lexsort((weights[:, 1], weights[:, 0]))[0]) if birds[group] else int(weights[:, 1].argmin())
        fold_of[group] = lightest
        weights[lightest] += (birds[group], pictures[group])
    return fold_of[group_of]
