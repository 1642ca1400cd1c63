"""What the page may ask: every value that comes from the browser is checked here, and nothing else is looked at."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from backbones.errors import HoopoeError
from detector.review.boxes import BoxId
from detector.review.ordering import Order
from detector.review.queues import QUEUES

Form = TypeVar("Form", bound=BaseModel)

MOST_BODY_BYTES = 1 << 20
MOST_BOXES = 10_000  # in one request that lists them
PAGE = 200
_MEDIA = r"^m?[0-9a-f]{16}$"
_BOX = re.compile(r"^(m?[0-9a-f]{16}):(\d{1,10}):(\d{1,10})$")


class AskedError(HoopoeError):
    """A request that the page would not make; `status` is that of the answer."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem, hint="load the page again")
        self.status = status


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds characters that cannot be printed")
    return text


def _box_text(text: str) -> str:
    if not _BOX.match(text):
        raise ValueError("this is no box")
    return text


_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
Person = Annotated[_Line, StringConstraints(max_length=80)]
Text = Annotated[_Line, StringConstraints(max_length=200)]
MediaId = Annotated[str, StringConstraints(pattern=_MEDIA)]
BoxText = Annotated[str, AfterValidator(_box_text)]
Share = Annotated[float, Field(ge=-0.001, le=1.001, allow_inf_nan=False)]
Revision = Annotated[int, Field(ge=0, le=2**31 - 1)]
NameKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
Saying = Literal["accept", "named", "bird", "animal", "person", "vehicle", "nothing", "real", "noted"]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Filter(_Asked):
    """Which boxes."""

    queue: str = "review"
    name: NameKey | None = None
    place: Annotated[int, Field(ge=0)] | None = None
    every: bool = False
    order: Order = "alike"

    @model_validator(mode="after")
    def _known(self) -> Filter:
        if self.queue not in QUEUES:
            raise ValueError("there is no such queue")
        return self


class All(Filter):
    """All boxes of a filter, as many as the person was told."""

    expected: Annotated[int, Field(ge=0)]


class _Said(_Asked):
    """Who says it, and the revision that their page shows: it is told what changed since."""

    reviewer: Person
    since: Revision | None = None


class Mark(_Said):
    """A person's word, and what it is of: boxes, whole files, groups of repeats, or all of a filter.

    `seen` is what the page called the boxes that are accepted: nobody says yes to a name that another gave meanwhile.
    """

    say: Saying
    name: Text | None = None
    sex: Literal["female", "male"] | None = None
    life_stage: Literal["adult", "subadult", "juvenile"] | None = None
    count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    comment: Text | None = None
    boxes: Annotated[list[BoxText], Field(max_length=MOST_BOXES)] = []
    seen: Annotated[list[NameKey], Field(max_length=MOST_BOXES)] = []
    alone: bool = False
    files: Annotated[list[MediaId], Field(max_length=MOST_BOXES)] = []
    groups: Annotated[list[BoxText], Field(max_length=MOST_BOXES)] = []
    all: All | None = None

    @model_validator(mode="after")
    def _complete(self) -> Mark:
        if (self.say == "named") != (self.name is not None):
            raise ValueError("`named` comes with a name, and nothing else does")
        if not (self.boxes or self.files or self.groups or self.all):
            raise ValueError("it is of nothing")
        if self.seen and len(self.seen) != len(self.boxes):
            raise ValueError("`seen` comes with a name a box")
        return self


class Drawing(_Said):
    """A box that a person draws, or the new place of one."""

    media: MediaId
    frame: Annotated[int, Field(ge=0, le=2**31 - 1)]
    xywh: tuple[Share, Share, Share, Share]
    box: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    say: Literal["bird", "animal", "person", "vehicle", "named"] = "bird"
    name: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> Drawing:
        if (self.say == "named") != (self.name is not None):
            raise ValueError("`named` comes with a name, and nothing else does")
        return self


class Undo(_Said):
    """Take back the last thing that this person said here."""

    said: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = None


class Entry(_Asked):
    """The token of this launch."""

    token: Annotated[str, StringConstraints(max_length=200)]


class Where(_Asked):
    """Where a person is, to go on from there another day."""

    reviewer: Person
    queue: Annotated[str, StringConstraints(max_length=20)]
    name: NameKey | None = None
    order: Order = "alike"
    language: Literal["english", "hebrew", "scientific"] = "english"


class Export(_Asked):
    """Bring the exported tables up to what people have said."""

    formats: Annotated[list[Annotated[str, StringConstraints(max_length=40)]], Field(max_length=20)] = []


def checked(form: type[Form], body: bytes) -> Form:
    """A request's JSON as a value of its form.

    Raises:
        AskedError: It is not of that form.
    """
    try:
        return form.model_validate_json(body)
    except (ValidationError, RecursionError) as error:
        raise AskedError(_words(error)) from None


def checked_query(form: type[Form], query: dict[str, str]) -> Form:
    """A request's query as a value of its form; raises as `checked`."""
    try:
        return form.model_validate_strings(query)
    except ValidationError as error:
        raise AskedError(_words(error)) from None


def box_id(text: str) -> BoxId:
    """The box of a text that was checked."""
    media, frame, box = text.split(":")
    return BoxId(media, int(frame), int(box))


def _words(error: Any) -> str:
    if not isinstance(error, ValidationError):
        return "the request is nested too deeply"
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])
