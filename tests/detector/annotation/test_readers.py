"""What is not a file's fault ends a run, and is recorded of no file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backbones.errors import DiskFullError, HoopoeError, MediaError
from detector.annotation import readers
from detector.annotation.decoding import CropTask
from detector.annotation.readers import Readers
from detector.base.objects.address import Address
from detector.base.objects.errors import AccessError, ObjectMissingError, ServiceError
from detector.footage.isolation import Failed
from detector.types import MediaItem

TASK = CropTask(MediaItem("card", "a.jpg", "photo", 1, Address("memory", "b", "a.jpg")), {}, {}, (32, 32))


def reading_fails(error: HoopoeError, monkeypatch: pytest.MonkeyPatch) -> Readers:
    """Reading processes of which each task ends by this error."""

    class Pool:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def run(self, tasks: Iterator[Any]) -> Iterator[Failed[Any]]:
            yield from (Failed(task, error) for task in tasks if task.task is not None)

        def close(self) -> None:
            pass

    monkeypatch.setattr(readers, "IsolatedReaders", Pool)
    return Readers(1)


@pytest.mark.parametrize("kind", [ServiceError, DiskFullError])
def test_a_sick_service_and_a_full_disk_end_the_run(kind: type[HoopoeError], monkeypatch: pytest.MonkeyPatch) -> None:
    with reading_fails(kind("sick"), monkeypatch) as reading:
        reading.submit(TASK)
        for _ in range(2):  # whoever asks again waits for nothing, too
            with pytest.raises(kind, match="sick"):
                reading.next(timeout_s=30)


@pytest.mark.parametrize("kind", [MediaError, ObjectMissingError, AccessError])
def test_what_is_wrong_with_a_file_comes_as_its_failure(
    kind: type[HoopoeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    with reading_fails(kind("torn"), monkeypatch) as reading:
        number = reading.submit(TASK)
        arrival = reading.next(timeout_s=30)
        assert arrival is not None
        assert (arrival.task, arrival.reading, arrival.failure) == (number, None, "torn")
