"""Bird detectors: training, evaluation, and the annotation of camera-trap footage.

Everything below is imported on first use, so that `import detector` itself costs nothing.

Example:
    >>> import detector as hp
    >>> model = hp.load_detector("coco")  # a name, a file, or the folder of a run
    >>> found = hp.predict(model, ["photo.jpg", pil_image, rgb_array])  # one picture gives one
    >>> found[0].category_names
    ('bird', 'other animal', 'person', 'vehicle')
    >>> run = hp.train("faster_rcnn_davit_tiny", train=("train.json", "photos"), val=("val.json", "photos"),
    ...                output="runs/x", set={"train.epochs": 1})
    >>> 0 <= hp.evaluate(run.best, "val.json", "photos").metrics.AP50 <= 1
    True
    >>> birds = hp.load_classifier("davit_tiny_il-all")
    >>> named = hp.rerank(birds, "photo.jpg", found[0], prior="barchart.txt", date="2024-05-01")
    >>> store = hp.annotate(["CARD"], "OUT", detector=model, species=birds)
    >>> store.media.num_rows, store.events.num_rows > 0
    (5, True)
    >>> for crop in hp.classify_stream(birds, rgb_arrays, batch_size=64):
    ...     assert crop.name in birds.class_names
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detector.base.version import __version__ as __version__

if TYPE_CHECKING:
    from backbones.errors import HoopoeError
    from detector.api.annotate import annotate
    from detector.api.build import build_detector
    from detector.api.classify import classify, classify_stream, load_classifier
    from detector.api.evaluate import evaluate
    from detector.api.predict import predict
    from detector.api.rerank import rerank
    from detector.api.store import Store
    from detector.api.train import train
    from detector.api.train_species import train_species
    from detector.models.detector import Detector
    from detector.models.saving import load_detector
    from detector.types import Detections

_MODULES = {
    "Detections": "detector.types",
    "Detector": "detector.models.detector",
    "HoopoeError": "backbones.errors",
    "Store": "detector.api.store",
    "annotate": "detector.api.annotate",
    "build_detector": "detector.api.build",
    "classify": "detector.api.classify",
    "classify_stream": "detector.api.classify",
    "evaluate": "detector.api.evaluate",
    "load_classifier": "detector.api.classify",
    "load_detector": "detector.models.saving",
    "predict": "detector.api.predict",
    "rerank": "detector.api.rerank",
    "train": "detector.api.train",
    "train_species": "detector.api.train_species",
}
__all__ = [
    "Detections",
    "Detector",
    "HoopoeError",
    "Store",
    "annotate",
    "build_detector",
    "classify",
    "classify_stream",
    "evaluate",
    "load_classifier",
    "load_detector",
    "predict",
    "rerank",
    "train",
    "train_species",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'detector' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
