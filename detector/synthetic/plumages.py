"""Twelve invented species, told apart by what birders look at: colours, marks, bill, tail, legs and shape."""

from dataclasses import dataclass
from typing import Literal

RGB = tuple[int, int, int]

BLACK, WHITE, GREY, SLATE = (28, 28, 32), (240, 238, 230), (140, 144, 150), (84, 92, 108)
BROWN, CHESTNUT, SAND, CREAM = (104, 78, 54), (140, 62, 30), (196, 166, 120), (232, 218, 186)
ORANGE, RED, YELLOW = (226, 112, 32), (196, 30, 36), (240, 204, 40)
GREEN, BLUE, VIOLET, PINK = (104, 150, 48), (30, 110, 196), (104, 48, 150), (222, 160, 136)


@dataclass(frozen=True)
class Plumage:
    """How one species looks. Lengths are in body lengths; marks that a species lacks are None.

    Attributes:
        name: The species' English name.
        back: Upper side: nape, mantle and tail base.
        belly: Lower side.
        head: Head, apart from cap and mask.
        wing: Folded wing.
        tail: Tail feathers.
        bill: Bill.
        legs: Legs.
        cap: Crown.
        mask: Stripe through the eye.
        band: Band across the breast.
        wing_bar: Two bars across the wing.
        pattern: How the belly is marked.
        pattern_rgb: The colour of these marks.
        crest: Length of the crest's feathers, 0 for none.
        bill_length: Length of the bill.
        bill_curve: How far the bill's tip points down.
        tail_length: Length of the tail.
        leg_length: Length of the legs.
        girth: Height of the body.
    """

    name: str
    back: RGB
    belly: RGB
    head: RGB
    wing: RGB
    tail: RGB
    bill: RGB = BLACK
    legs: RGB = BROWN
    cap: RGB | None = None
    mask: RGB | None = None
    band: RGB | None = None
    wing_bar: RGB | None = None
    pattern: Literal["plain", "spots", "bars", "streaks"] = "plain"
    pattern_rgb: RGB = BROWN
    crest: float = 0.0
    bill_length: float = 0.16
    bill_curve: float = 0.0
    tail_length: float = 0.45
    leg_length: float = 0.22
    girth: float = 0.62


PLUMAGES: tuple[Plumage, ...] = (
    Plumage("barred hawklet", SLATE, CREAM, SLATE, SLATE, GREY, bill=YELLOW, legs=YELLOW, pattern="bars",
            pattern_rgb=CHESTNUT, bill_curve=0.08, tail_length=0.7, girth=0.58),
    Plumage("cobalt fisher", BLUE, ORANGE, BLUE, BLUE, BLUE, legs=RED, mask=ORANGE, bill_length=0.5, tail_length=0.22,
            leg_length=0.08),
    Plumage("crested sandhoop", PINK, PINK, PINK, BLACK, BLACK, wing_bar=WHITE, crest=0.42, bill_length=0.46,
            bill_curve=0.1, girth=0.52),
    Plumage("ember robinet", BROWN, CREAM, ORANGE, BROWN, BROWN, band=ORANGE, bill_length=0.12, tail_length=0.34,
            girth=0.74),
    Plumage("golden beecatcher", CHESTNUT, GREEN, YELLOW, CHESTNUT, GREEN, cap=CHESTNUT, mask=BLACK, bill_length=0.36,
            bill_curve=0.06, tail_length=0.75, leg_length=0.1, girth=0.48),
    Plumage("lime finchlet", GREEN, YELLOW, GREEN, GREEN, BLACK, bill=CREAM, wing_bar=YELLOW, bill_length=0.14,
            tail_length=0.32, girth=0.72),
    Plumage("masked shrikelet", GREY, WHITE, GREY, BLACK, BLACK, mask=BLACK, bill_curve=0.04, tail_length=0.6),
    Plumage("pied tailwag", BLACK, WHITE, WHITE, SLATE, BLACK, cap=BLACK, band=BLACK, bill_length=0.13, tail_length=0.9,
            leg_length=0.28, girth=0.5),
    Plumage("ringed shoreling", SAND, WHITE, SAND, SAND, BROWN, bill=ORANGE, legs=ORANGE, band=BLACK, mask=BLACK,
            tail_length=0.28, leg_length=0.4),
    Plumage("ruby-capped tit", SLATE, CREAM, WHITE, SLATE, SLATE, cap=RED, mask=BLACK, wing_bar=WHITE, bill_length=0.09,
            tail_length=0.42, girth=0.7),
    Plumage("spotted thrushling", BROWN, CREAM, BROWN, BROWN, BROWN, legs=PINK, pattern="spots", bill_length=0.17),
    Plumage("violet nectarer", VIOLET, VIOLET, VIOLET, BLACK, BLACK, pattern="streaks", pattern_rgb=BLUE,
            bill_length=0.42, bill_curve=0.16, tail_length=0.3, girth=0.52),
)  # fmt: skip
