"""Each name that `import detector` offers has an example, which runs; and what the import itself costs."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import detector as hp
from tests.docs.stand_ins import NAMES


@pytest.mark.parametrize("name", ["detector", *hp.__all__])
def test_the_example_of_a_name_runs(name: str, workshop: Path) -> None:
    import numpy
    import PIL.Image
    import torch

    doc = inspect.getdoc(hp if name == "detector" else getattr(hp, name)) or ""
    assert ">>>" in doc, f"{name} has no example"
    for published, stand_in in NAMES.items():
        doc = doc.replace(f'"{published}"', f'"{stand_in}"')
    globs = {"hp": hp, "numpy": numpy, "PIL": PIL, "torch": torch}
    if name == "detector":
        pil_image = PIL.Image.open("bird.jpg")
        globs |= {
            "pil_image": pil_image,
            "rgb_array": numpy.asarray(pil_image),
            "rgb_arrays": [numpy.asarray(pil_image)],
        }
    example = doctest.DocTestParser().get_doctest(doc, globs, name, None, 0)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_import_loads_nothing_heavy() -> None:
    code = "import sys, detector; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "PIL", "pydantic", "pyarrow", "yaml", "rich", "backbones"} & set(loaded)


def test_all_names_are_listed_and_typed() -> None:
    assert sorted(hp.__all__) == hp.__all__
    assert set(dir(hp)) == {*hp.__all__, "__version__"}
    for name in hp.__all__:
        value = getattr(hp, name)
        if inspect.isfunction(value):
            hints = inspect.signature(value)
            assert hints.return_annotation is not inspect.Signature.empty, name
            assert len(hints.parameters) <= 6, name


def test_another_name_is_an_attribute_error_as_python_expects() -> None:
    with pytest.raises(AttributeError, match="'nest'"):
        hp.nest  # noqa: B018
    assert not hasattr(hp, "nest")


def test_the_names_are_what_the_commands_use() -> None:
    from detector.api import evaluate as evaluating
    from detector.models import Detector, load_detector

    assert hp.load_detector is load_detector
    assert hp.Detector is Detector
    assert hp.evaluate is evaluating.evaluate
