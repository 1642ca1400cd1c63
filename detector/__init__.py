"""Bird detectors: training, evaluation, and the annotation of camera-trap footage."""

__version__ = "0.1.0"
