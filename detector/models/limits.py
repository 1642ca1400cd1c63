"""A loaded detector with other limits than its file says: fewer proposals, or boxes of lower scores."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from backbones.errors import ConfigError
from detector.models.detector import Detector


def with_proposals(detector: Detector, proposals: int) -> Detector:
    """The same weights with another number of proposals in use: fewer are faster, and miss birds in crowded pictures.

    Args:
        detector: A Faster R-CNN; left as it is.
        proposals: Per level before, and per picture after, suppression.

    Raises:
        ConfigError: There are none in this detector, or fewer than one is asked for.
    """
    if proposals < 1:
        raise ConfigError("at least 1 is needed", where="proposals", hint="such as 300")
    if not hasattr(detector.net, "rpn"):
        problem = f"{detector.name} is no Faster R-CNN: it has no proposals"
        raise ConfigError(problem, where="proposals", hint="leave it out")
    net = sharing_weights(detector.net, "rpn")
    for name in ("_pre_nms_top_n", "_post_nms_top_n"):
        setattr(net.rpn, name, {**getattr(net.rpn, name), "testing": proposals})
    return _with_config(detector, net, proposals=proposals)


def with_score_threshold(detector: Detector, score_threshold: float) -> Detector:
    """The same weights with boxes from another score up.

    Args:
        detector: Left as it is.
        score_threshold: Boxes of lower scores are dropped.
    """
    if hasattr(detector.net, "roi_heads"):
        net = sharing_weights(detector.net, "roi_heads")
        net.roi_heads.score_thresh = score_threshold
    else:
        net = sharing_weights(detector.net)
        net.score_thresh = score_threshold
    return _with_config(detector, net, score_threshold=score_threshold)


def sharing_weights(net: Any, *parts: str) -> Any:
    """A network that shares all weights with another, and whose own settings and those of some parts can be changed."""
    new = copy.copy(net)
    new._modules = {name: sharing_weights(part) if name in parts else part for name, part in net._modules.items()}
    return new


def _with_config(detector: Detector, net: Any, **changes: object) -> Detector:
    config = detector.meta.config.model_copy(update=changes)
    return replace(detector, net=net, meta=replace(detector.meta, config=config))
