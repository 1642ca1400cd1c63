"""8 bits by NNCF, and the refusal where birds are lost."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import ConfigError, HoopoeError
from detector.base.reporting import say, task, warn
from detector.conversion.agreement import Agreement
from detector.conversion.cutting import LAST_LAYERS
from detector.conversion.layers import FLOATABLE, pattern_of
from detector.runtimes.part import runtime_module

# OpenVINO has this attention in float alone: 8 bits around it only cost time. Depthwise convolutions and the stem cost
# little, and most of what 8 bits lose is lost in them.
FLOAT_TYPES = {"ScaledDotProductAttention", "GroupConvolution"}
ALWAYS_FLOAT = ("stem",)


@dataclass(frozen=True)
class Quantising:
    """How a model is brought to 8 bits.

    Attributes:
        photos: The folder of the user's photos; of crops, for a classifier.
        annotations: COCO boxes in them, to measure AP too.
        keep_float: Groups of layers that stay out of 8 bits; see `layers.FLOATABLE`.
        allow_loss: Keep an export that loses too many birds.
    """

    photos: Path
    annotations: Path | None = None
    keep_float: tuple[str, ...] = ()
    allow_loss: bool = False

    def __post_init__(self) -> None:
        unknown = [each for each in self.keep_float if each not in FLOATABLE]
        if unknown:
            problem = f"there are no layers called {unknown[0]!r}"
            raise ConfigError(problem, where="--keep-float", hint=f"such as {', '.join(FLOATABLE)}")


class TooLossy(HoopoeError):
    """In 8 bits a model loses too much.

    Attributes:
        to_blame: Groups of layers whose return to float gives birds back, the most first.
    """

    to_blame: tuple[str, ...] = ()


def quantise(
    model: Any,
    samples: Iterable[NDArray[np.float32]],
    keep_float: Sequence[str],
    count: int,
    float_names: Sequence[str] = (),
) -> Any:
    """A model of OpenVINO in 8 bits; its last layers, and groups that are named, stay as they are.

    Args:
        model: As from `openvino_model`; used up.
        samples: Inputs to calibrate on.
        keep_float: Groups of layers.
        count: Inputs that there are, about.
        float_names: Nodes that stay as they are, too.
    """
    nncf: Any = runtime_module("nncf")
    advanced: Any = runtime_module("nncf.quantization.advanced_parameters")
    ranges: Any = runtime_module("nncf.quantization.range_estimator")
    nncf_log(nncf)
    patterns = [rf".*\b{layer}\b.*" for layer in LAST_LAYERS] + [
        pattern_of(each) for each in (*ALWAYS_FLOAT, *keep_float)
    ]
    ops = model.get_ops()
    names = [node.get_friendly_name() for node in ops]
    ignored = [each for each in patterns if any(re.match(each, name) for name in names)]
    types = sorted(FLOAT_TYPES & {each.get_type_name() for each in ops})
    with task("calibrating", None, ""), contextlib.redirect_stdout(io.StringIO()):  # its own bars
        return nncf.quantize(
            model,
            nncf.Dataset(samples),
            subset_size=max(1, count),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(names=list(float_names), patterns=ignored, types=types),
            # per channel it would take the rows of a channels-last map for channels
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_quantization_params=advanced.QuantizationParameters(per_channel=False),
                # those with the least squared error; means of the photos' extremes cut off what few photos show
                activations_range_estimator_params=ranges.RangeEstimatorParametersSet.HISTOGRAM,
            ),
        )


def nncf_log(nncf: Any) -> None:
    """Let NNCF say what is wrong, and nothing else."""
    nncf.set_log_level(logging.ERROR)


def refuse(agreement: Agreement, blame: Sequence[str]) -> None:
    """Say what is lost, and which layers are to blame.

    Raises:
        TooLossy: Always.
    """
    names = tuple(line.split(":")[0] for line in blame)
    for line in blame:
        say(f"  without 8 bits in {line}")
    first = names[0] if names else "head"
    hint = f"keep layers out of 8 bits (--keep-float {first}), use --precision bf16, or --allow-loss"
    error = TooLossy(f"in 8 bits the model loses too much: {'; '.join(agreement.faults)}", hint=hint)
    error.to_blame = names
    raise error


def warn_of(agreement: Agreement) -> None:
    """Say what is lost by an export that is kept all the same, and what there were too few boxes or crops to judge."""
    for line in (*agreement.faults, *agreement.doubts):
        warn(f"in 8 bits: {line}")
