"""The examples run in the folder in which the library's own examples run."""

from tests.detector.api.conftest import made_workshop as made_workshop
