"""A store with the photos that it is of, and its page, asked without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.store.run_file import CardEntry, DetectorEntry
from detector.types import media_id
from tests.detector.decisions.small_facts import HOOPOE, SPECIES, START, TWO_WHEATEARS
from tests.detector.small_stores import make_box, make_row, write_facts

pytest.importorskip("starlette")
pytest.importorskip("httpx")

PORT = 8017
SIZE_WH = (160, 120)
HOSTILE = "<img src=x onerror=alert(1)>"


def write_photo(path: Path, seed: int) -> None:
    """A small photo of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    path.write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())


def write_card(
    folder: Path,
    photos: dict[str, Sequence[dict[str, Any]] | None],
    root: Path,
    apart: timedelta = timedelta(hours=1),
) -> Path:
    """A decided store of photos, an hour apart unless said otherwise; None: one that could not be read."""
    items = []
    for number, (path, found) in enumerate(photos.items()):
        boxes = None if found is None else [make_box(**{"label_scores": (0.9, 0.0)} | each) for each in found]
        moment = START + number * apart
        row = make_row(path, boxes=boxes, captured_at=moment, brightness=0.5, width=SIZE_WH[0], height=SIZE_WH[1])
        items.append([row])
        if found is not None:
            write_photo(root / path, number)
    cards = {"card": CardEntry(root=str(root))}
    detector = DetectorEntry(name="detector.safetensors", categories=["bird", "person"])
    write_facts(folder, items, cards=cards, detector=detector, species=SPECIES)
    decide(folder, DecideOptions())
    return folder


def write_store(folder: Path) -> Path:
    """Three hoopoes, three birds that may be either wheatear, a person beside a bird, three blanks, and a failure."""
    hoopoe, unsure = {"logits": HOOPOE}, {"logits": TWO_WHEATEARS}
    photos: dict[str, Sequence[dict[str, Any]] | None] = {
        **{f"hoopoe{number}.jpg": [hoopoe] for number in range(3)},
        **{f"unsure{number}.jpg": [unsure] for number in range(3)},
        "person.jpg": [{"label_scores": (0.0, 0.9), "x": 0.1}, {**hoopoe, "x": 0.6}],
        "blank0.jpg": [],
        "blank1.jpg": [],
        "faint.jpg": [{**hoopoe, "label_scores": (0.1, 0.0)}],
        f"{HOSTILE}.jpg": None,
    }
    return write_card(folder / "out", photos, folder / "card")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """See `write_store`."""
    return write_store(tmp_path)


class Page:
    """A page that is open, as far as it asks and says."""

    def __init__(self, folder: Path, **options: Any) -> None:
        from starlette.testclient import TestClient

        from detector.review.desk import Desk
        from detector.review.web.answers import Answers
        from detector.review.web.app import build_app
        from detector.review.web.guarding import Keys

        self.keys = Keys(PORT)
        self.desk = Desk(folder, **options)
        self.answers = Answers(self.desk, None, "Noa")
        self.client = TestClient(
            build_app(self.answers, self.keys), base_url=self.keys.origin, raise_server_exceptions=False
        )
        self.post("/api/enter", {"token": self.keys.token})

    def get(self, path: str, **query: Any) -> Any:
        """What is answered."""
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        """What is answered to what is said."""
        response = self.client.post(path, json=body, headers={"Origin": self.keys.origin})
        assert response.status_code == status, response.text
        return response.json()

    def mark(self, say: str, status: int = 200, **of: Any) -> Any:
        """Say something."""
        return self.post("/api/mark", {"reviewer": "Noa", "say": say, **of}, status)

    def undo(self, status: int = 200, reviewer: str = "Noa", **more: Any) -> Any:
        """Take back the last thing."""
        return self.post("/api/undo", {"reviewer": reviewer, **more}, status)

    def boxes(self, queue: str = "all", **filters: Any) -> list[str]:
        """The ids of the first page of a queue."""
        return [card["id"] for card in self.get("/api/boxes", queue=queue, **filters)["cards"]]

    def names(self, queue: str = "all") -> dict[str, int]:
        """How many are called what."""
        summary = self.get("/api/summary", queue=queue, reviewer="Noa")
        return {name["display"]: name["open"] for name in summary["names"]}

    def queues(self) -> dict[str, int]:
        """How much is in each queue."""
        summary = self.get("/api/summary", queue="all", reviewer="Noa")
        return {queue["key"]: queue["open"] for queue in summary["queues"]}

    def counted(self, name: str, events: int) -> dict[str, int]:
        """Events and most at once of birds of a name, as the page shows them as soon as there are so many events."""
        end = monotonic() + 60
        while (shown := self._shown(name)).get("events") != events and monotonic() < end:
            sleep(0.01)
        return shown

    def _shown(self, name: str) -> dict[str, int]:
        return self.desk.look(lambda sight: sight._events.get(("bird", name), {}))

    def decided(self) -> None:
        """Wait until the decisions follow."""
        assert self.desk.deciding.wait(60)
        assert self.desk.deciding.problem is None


@pytest.fixture
def opened() -> Iterator[Any]:
    """`opened(folder, **options)` opens the page of a store."""
    pages: list[Page] = []

    def open_page(folder: Path, **options: Any) -> Page:
        pages.append(Page(folder, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.answers.close()


@pytest.fixture
def page(opened: Any, store: Path) -> Page:
    """The page of `store`."""
    return opened(store)


@pytest.fixture
def photos() -> SimpleNamespace:
    """`.id(path)` of a photo of `store`, `.box(path, box)` of a box, `.write(folder, photos, root, apart)`."""

    def box(path: str, number: int = 0) -> str:
        return f"{media_id('card', path)}:0:{number}"

    return SimpleNamespace(id=lambda path: media_id("card", path), box=box, write=write_card)
