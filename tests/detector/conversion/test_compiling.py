"""A compiled network finds what the plain one finds. On CPUs: CUDA graphs are only made on CUDA."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from backbones.errors import ConfigError, HoopoeError
from detector.base.devices import chosen_precision
from detector.conversion.compiling import compiled_classifier, compiled_detector
from detector.models.detector import Detector
from detector.models.prediction import detect
from detector.runtimes import compiled_part
from detector.runtimes.compiled_part import CompiledPart
from detector.runtimes.lanes import parts_of
from tests.detector.runtimes.nano_models import nano_classifier, nano_detector, pictures


@pytest.fixture
def quick_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that leaves networks as they are, in no time; torch's own takes minutes."""
    monkeypatch.setattr(torch, "compile", lambda net, **options: net)


class Doubling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.two = nn.Parameter(torch.tensor(2.0))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (images * self.two,)


def compiled_sizes(part: Any) -> list[tuple[int, ...]]:
    return sorted(part._sizes)


def same(ours: Detector, theirs: Detector) -> None:
    for before, after in zip(detect(ours, pictures()), detect(theirs, pictures()), strict=True):
        assert len(before) == len(after) > 0
        np.testing.assert_allclose(after.scores, before.scores, atol=1e-5)
        np.testing.assert_allclose(after.boxes_xyxy, before.boxes_xyxy, atol=1e-2)
        np.testing.assert_array_equal(after.labels, before.labels)


@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
def test_a_detector_finds_the_same_and_the_given_one_stays(kind: str, quick_compiler: None) -> None:
    detector = nano_detector("davit_nano", detector=kind)
    plain = list(detector.net.state_dict())
    compiled = compiled_detector(detector)
    assert detect(compiled, []) == []
    same(detector, compiled)
    assert list(detector.net.state_dict()) == plain
    assert list(parts_of(detector.net)) == []
    assert compiled.runtime == "compiled fp32"
    assert compiled_detector(compiled) is compiled


def test_a_classifier_says_the_same_of_a_batch_that_is_not_full(quick_compiler: None) -> None:
    species = nano_classifier()
    compiled = compiled_classifier(species)
    crops = np.random.default_rng(0).integers(0, 255, (7, 64, 64, 3), np.uint8)
    assert compiled.logits(crops[:0]).logits.shape == (0, 5)
    ours, theirs = (each.logits(crops, return_embedding=True, batch_size=4) for each in (species, compiled))
    np.testing.assert_allclose(theirs.logits, ours.logits, atol=1e-4)
    np.testing.assert_allclose(theirs.embeddings, ours.embeddings, atol=1e-4)
    (part,) = parts_of(compiled.net)
    assert compiled_sizes(part) == [(4, 3, 64, 64)], "three crops were filled up to four"


def test_a_batch_takes_the_smallest_size_that_is_there(quick_compiler: None) -> None:
    part = CompiledPart(Doubling(), "fp32", rows=4)
    for rows, sizes in ((3, [4]), (9, [4, 12]), (5, [4, 12]), (2, [4, 12])):
        images = torch.arange(rows * 2.0).view(rows, 2, 1, 1)
        assert torch.equal(part(images)[0], 2 * images)
        assert [size[0] for size in compiled_sizes(part)] == sizes


def test_further_sizes_run_as_they_are(
    quick_compiler: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiled_part, "MOST_SIZES", 2)
    part = CompiledPart(Doubling(), "fp32")
    for side in (1, 2, 3, 4, 1, 2):
        assert torch.equal(part(torch.ones(1, 1, side, side))[0], torch.full((1, 1, side, side), 2.0))
    assert len(compiled_sizes(part)) == 2
    assert capsys.readouterr().err.count("2 sizes or more") == 1


def test_without_a_compiler_that_works_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(net: nn.Module, **options: object) -> Any:
        def fail(images: torch.Tensor) -> None:
            raise RuntimeError("no C++ compiler was found")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    detector = nano_detector("davit_nano", detector="retinanet")
    same(detector, compiled_detector(detector))
    assert capsys.readouterr().err.count("no C++ compiler was found") == 1


def test_what_is_no_number_ends_in_words(quick_compiler: None) -> None:
    detector = nano_detector("davit_nano", detector="retinanet")
    with torch.no_grad():
        next(detector.net.backbone.parameters()).fill_(torch.inf)
    with pytest.raises(HoopoeError, match="no number"):
        detect(compiled_detector(detector), pictures())


def test_float16_is_for_gpus() -> None:
    assert chosen_precision("fp16", "cuda") == "fp16"
    with pytest.raises(ConfigError, match="fp16 is for GPUs"):
        chosen_precision("fp16", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["davit_nano", "biformer_nano"])
@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
def test_torchs_own_compiler_finds_the_same(kind: str, backbone: str, capsys: pytest.CaptureFixture[str]) -> None:
    detector = nano_detector(backbone, detector=kind)
    same(detector, compiled_detector(detector))
    assert "does not work here" not in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
def test_cuda_graphs_find_as_many(kind: str, precision: Any) -> None:
    detector = nano_detector("davit_nano", detector=kind)
    on_gpu = replace(detector, net=detector.net.cuda(), precision=precision)
    plain, compiled = detect(on_gpu, pictures()), detect(compiled_detector(on_gpu), pictures())
    for ours, theirs in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(theirs.scores[:5], ours.scores[:5], atol=1e-3 if precision == "fp32" else 0.05)
