"""AdamW with a learning rate for each depth of the backbone, and no decay on norms and biases."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from detector.models.pyramid import BODY_PREFIX, LATERALS
from detector.training.config import LearningConfig

PRETRAINED_LAYER_DECAY = 0.9
MOST_LAYERS = 12  # that layer decay counts: those of ViT-B, for which its usual values are told (BEiT, MAE)
CLASSIFIER_HEAD = ("features.", "classifier.")  # of a classifier: what is behind its body
_STAGE = re.compile(r"(?:body\.stage|layer)(\d+)\.(?:(?:blocks\.)?(\d+)|downsample)\.")  # ours, and a ResNet's


def resolved_layer_decay(config: LearningConfig, *, pretrained: bool) -> float:
    """The layer decay, and where none is set the one for a backbone that starts from weights, or at random."""
    if config.layer_decay is not None:
        return config.layer_decay
    return PRETRAINED_LAYER_DECAY if pretrained else 1.0


def build_optimiser(model: nn.Module, config: LearningConfig) -> AdamW:
    """AdamW over what is trained. Each group carries `lr_scale`, its learning rate relative to the schedule's.

    Args:
        model: A detector, or a classifier.
        config: Learning rate, weight decay, layer decay; null is none, see `resolved_layer_decay`.
    """
    decay = 1.0 if config.layer_decay is None else config.layer_decay
    distances = _distances([name for name, _ in model.named_parameters()])
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_matrix = parameter.ndim > 1  # norms and biases are vectors
            groups.setdefault((decay ** distances[name], is_matrix), []).append(parameter)
    return AdamW(
        [
            {"params": parameters, "lr_scale": scale, "weight_decay": config.weight_decay if is_matrix else 0.0}
            for (scale, is_matrix), parameters in groups.items()
        ],
        lr=config.lr,
        fused=True,
    )


def drop_gradients_beyond_laterals(model: nn.Module) -> None:
    """Leave gradients only where the backbone's maps enter the pyramid: the optimiser leaves all else as it is."""
    for name, parameter in model.named_parameters():
        if not name.startswith(LATERALS):
            parameter.grad = None


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """Set the schedule's learning rate; each group gets its share of it."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["lr_scale"]


def _distances(names: Sequence[str]) -> dict[str, float]:
    """Parameter's name -> its distance from the backbone's end; 0 for all that is not in it.

    Counted in blocks, the stem at last; where there are more than `MOST_LAYERS`, by the share of them: thirty thin
    blocks would otherwise leave the stem a twenty-fifth of the rate.
    """
    body = BODY_PREFIX if any(name.startswith(BODY_PREFIX) for name in names) else ""  # a classifier is one itself
    stages: dict[int, int] = {}  # blocks of each stage
    for name in names:
        if name.startswith(body) and (match := _STAGE.match(name, len(body))):
            stage, block = int(match[1]), match[2]
            stages[stage] = max(stages.get(stage, 0), int(block) + 1 if block is not None else 0)
    total = sum(stages.values())
    unit = min(1.0, MOST_LAYERS / (total + 1))

    def distance(name: str) -> float:
        if not name.startswith(body) or name.startswith(CLASSIFIER_HEAD):
            return 0.0
        match = _STAGE.match(name, len(body))
        if match is None:
            return unit * (total + 1)  # the stem
        before = sum(count for stage, count in stages.items() if stage < int(match[1]))
        return unit * (total - before - int(match[2] or 0))

    return {name: distance(name) for name in names}


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Parameters in all, and those that are trained."""
    parameters = list(model.parameters())
    return sum(each.numel() for each in parameters), sum(each.numel() for each in parameters if each.requires_grad)
