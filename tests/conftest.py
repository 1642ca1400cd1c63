"""What every test shares: seeds, and processes that leave the machine to others.

The environment is set before torch is first imported, which reads it only then.
"""

import gc
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core for each of pytest's workers; small tensors gain nothing by more
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning at barriers stalls beside other work
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would ask the internet for news

# the same examples each time, so that nobody's run fails by chance; without a deadline, as the first pays for imports
settings.register_profile("hoopoe", deadline=None, derandomize=True, max_examples=60)
# other examples each time, and more, for test_random_search.py: pytest --hypothesis-profile=search
settings.register_profile("search", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("hoopoe")


def pytest_collection_finish() -> None:
    """What the imports made stays; the collector need not go through it again and again."""
    gc.freeze()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are counted, not spelt: what was packed this second differs in another worker, which must find the same."""
    return argname if isinstance(val, bytes) else None


def pytest_sessionfinish() -> None:
    """Pytest collects five times when it ends, each time through all that is there."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu_items:
        return
    import torch

    if not torch.cuda.is_available():
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    """No test pulls the plug; that files are synced before they are renamed, base/test_files.py sees by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def interrupts_are_heard() -> None:
    """A shell's background job ignores SIGINT, and so would the tests of what an interrupt does."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def strict_pillow() -> None:
    """Let no import decide what damaged pictures are: MegaDetector's makes Pillow take truncated ones."""
    if "PIL.ImageFile" in sys.modules:
        sys.modules["PIL.ImageFile"].LOAD_TRUNCATED_IMAGES = False  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Start each test from the same random state; torch is seeded only where something has imported it."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def linked_or_copied(source: str, target: str) -> None:
    """Copy a file; models, which are large and never written into, are linked."""
    if Path(source).suffix in {".safetensors", ".onnx"}:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@pytest.fixture
def workshop(made_workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `made_workshop` of its own for each test or page, which works in it."""
    folder = tmp_path / "workshop"
    shutil.copytree(made_workshop, folder, copy_function=linked_or_copied)
    monkeypatch.chdir(folder)
    return folder
