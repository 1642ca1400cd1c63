"""The sample of what was passed over, and the share of birds that it says was missed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from detector.annotation.request import AuditRequest
from detector.annotation.sifting.auditing import Census, audited, estimate
from detector.store.schema import AUDIT, DETECTOR, FIRST_PASS

REQUEST = AuditRequest(300, 0.2)


def census(folder, rows, categories=("bird",)):
    return Census.of(folder, {row.media_id for row in rows}, categories, 0.2)


def test_a_store_without_facts_has_an_empty_census(tmp_path):
    empty = census(tmp_path, [])
    assert (empty.sample(9), empty.with_birds, empty.seen_with_birds) == ([], frozenset(), 0)


def test_a_census_counts_pictures_by_who_saw_them(tmp_path, facts_maker):
    bird, weak, person = (facts_maker.box(label_scores=scores) for scores in ((0.9, 0.3), (0.1, 0), (0.3, 0.8)))
    rows = [
        facts_maker.row("seen.jpg", boxes=[weak, bird]),
        facts_maker.row("sent_on.jpg", boxes=[bird], seen_by=DETECTOR),
        facts_maker.row("person.jpg", boxes=[person]),
        facts_maker.row("broken.jpg", boxes=None),
        facts_maker.row("blank.jpg", seen_by=FIRST_PASS),
        facts_maker.row("still.jpg", moved=False),
        facts_maker.row("audited.jpg", boxes=[bird], seen_by=AUDIT),
        facts_maker.row("still_audited.jpg", boxes=[weak], moved=False, seen_by=AUDIT),
    ]
    facts_maker.write(tmp_path, [[row] for row in rows])
    known = census(tmp_path, rows, ("bird", "person"))
    ids = {row.path: (row.media_id, 0) for row in rows}
    assert {item for item, done in known.drawn.items() if done} == {ids["audited.jpg"], ids["still_audited.jpg"]}
    assert {item for item, done in known.drawn.items() if not done} == {ids["blank.jpg"], ids["still.jpg"]}
    assert known.with_birds == {ids["audited.jpg"]}
    assert known.seen_with_birds == 2
    some = census(tmp_path, rows[:5], ("bird", "person"))
    assert list(some.drawn) == [ids["blank.jpg"]]


def test_a_sample_is_the_same_whatever_the_order_and_a_part_of_a_larger_one(tmp_path, facts_maker):
    rows = [facts_maker.row(f"{number}.jpg", seen_by=FIRST_PASS) for number in range(50)]
    facts_maker.write(tmp_path / "one", [[row] for row in rows])
    facts_maker.write(tmp_path / "two", [[row] for row in rows[30:]])
    facts_maker.write(tmp_path / "two", [[row] for row in rows[:30]])
    one, two = census(tmp_path / "one", rows), census(tmp_path / "two", rows)
    assert one.sample(20) == two.sample(20) == one.sample(40)[:20]
    assert len(one.sample(500)) == 50
    numbers = [int(row.path.split(".")[0]) for row in rows if (row.media_id, 0) in set(one.sample(20))]
    assert numbers != list(range(20))


def test_audited_boxes_of_a_video_have_tracks_of_their_own(facts_maker):
    old = [facts_maker.row("a.mp4", frame_number=n, boxes=[facts_maker.box(track_id=3)] * (n == 0)) for n in range(3)]
    new = [facts_maker.row("a.mp4", frame_number=1, boxes=[facts_maker.box(track_id=0)])]
    first, second, third = audited(old, new)
    assert (first, third) == (old[0], old[2])
    assert (second.seen_by, [box.track_id for box in second.detections]) == (AUDIT, [4])


@pytest.mark.parametrize(
    ("passed", "sampled", "birds", "seen"),
    [(0, 0, 0, 5), (100, 0, 0, 0), (1000, 300, 0, 50), (1000, 300, 7, 50), (9, 9, 9, 0)],
)
def test_the_interval_is_clopper_and_pearsons(passed, sampled, birds, seen):
    entry = estimate(passed, sampled, birds, seen, REQUEST)
    if not sampled or not birds + seen:
        assert (entry.missed, entry.low, entry.high) == (None, None, None)
        return
    assert 0 <= entry.low <= entry.missed <= entry.high <= 1
    for share, tail in ((entry.low, "low"), (entry.high, "high")):
        missed = share * seen / (1 - share) if share < 1 else passed
        p = missed / passed
        if tail == "low" and birds and missed > birds:
            assert binom.sf(birds - 1, sampled, p) == pytest.approx(0.025)
        if tail == "high" and missed < passed - (sampled - birds):
            assert binom.cdf(birds, sampled, p) == pytest.approx(0.025)


def test_the_interval_holds_what_it_promises():
    passed, truly, seen = 1000, 30, 60
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        found = int(rng.hypergeometric(truly, passed - truly, 100))
        entry = estimate(passed, 100, found, seen, REQUEST)
        held += entry.low <= truly / (truly + seen) <= entry.high
    assert held / 300 >= 0.95
