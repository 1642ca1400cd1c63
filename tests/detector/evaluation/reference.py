"""pycocotools, the protocol's reference."""

import contextlib
import copy
import io
from collections.abc import Sequence
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def run_pycocotools(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]] | str, limits: Sequence[int] = (1, 10, 100)
) -> COCOeval:
    """The evaluator after accumulate() and summarize(), quiet; results may be a file's."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(ground_truth)
        truth.createIndex()
        if results:
            found = truth.loadRes(copy.deepcopy(results))
        else:  # loadRes([]) raises
            found = COCO()
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluator = COCOeval(truth, found, "bbox")
        evaluator.params.maxDets = list(limits)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator
