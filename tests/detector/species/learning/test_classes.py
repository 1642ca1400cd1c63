"""The classes of a classifier that learns: names join by taxonomy, what is new becomes a class, the rest is told."""

import numpy as np

from detector.species.learning.classes import LEFT_OUT, OTHER, join_classes
from detector.species.names.kinds import Kinds
from detector.types import Kind

KNOWN = ("White stork", "Hooded crow", "Common kestrel")


def test_no_crops_leave_the_classes_as_they_are() -> None:
    joined = join_classes({}, KNOWN, Kinds())
    assert joined.names == KNOWN
    assert joined.former.tolist() == [0, 1, 2]
    assert joined.counts.tolist() == [0, 0, 0]


def test_names_join_by_class_by_scientific_name_and_in_any_language() -> None:
    labels = {"white_stork": 2, "Corvus cornix": 3, "Falco tinnunculus": 4, "Hooded Crow": 1}
    joined = join_classes(labels, KNOWN, Kinds())
    assert joined.names == KNOWN
    assert joined.counts.tolist() == [2, 4, 4]
    assert joined.new == ()
    assert not joined.problems


def test_a_new_species_becomes_one_class_however_it_is_spelt() -> None:
    joined = join_classes({"Upupa epops": 1, "Eurasian hoopoe": 5, "Common kestrel": 1}, KNOWN, Kinds())
    assert joined.names == (*KNOWN, "Eurasian hoopoe"), "by the spelling of most crops"
    assert joined.former.tolist() == [0, 1, 2, -1]
    assert joined.class_of["Upupa epops"] == joined.class_of["Eurasian hoopoe"] == 3
    assert joined.counts.tolist() == [0, 0, 1, 6]


def test_what_is_no_bird_is_no_class_unless_the_classifier_has_it() -> None:
    labels = {"not_a_bird": 1, "Red fox": 2, "Wild boar": 3}
    joined = join_classes(labels, (*KNOWN, "Red fox"), Kinds())
    assert joined.class_of == {"not_a_bird": OTHER, "Red fox": 3, "Wild boar": OTHER}


def test_a_mammal_keeps_the_class_that_it_has_by_any_name_and_never_becomes_one() -> None:
    known = (*KNOWN, "Red fox", "wolf", "human")
    labels = (
        "Vulpes vulpes",
        "Canis lupus",
        "person",
        "vehicle",
        "not_a_bird",
        "Sus scrofa",
        "other animal",
        "Canidae",
    )
    joined = join_classes(dict.fromkeys(labels, 1), known, Kinds())
    expected = (3, 4, 5, OTHER, OTHER, OTHER, LEFT_OUT, LEFT_OUT)
    assert joined.class_of == dict(zip(labels, expected, strict=True))
    assert "does not say which" in joined.problems["other animal"]
    of_birds = join_classes(dict.fromkeys(labels, 1), KNOWN, Kinds())
    assert set(of_birds.class_of.values()) == {OTHER}
    assert of_birds.names == KNOWN


def test_a_misspelt_name_a_genus_and_an_unknown_word_are_left_out_with_words() -> None:
    joined = join_classes({"Hoded crow": 1, "Oenanthe sp.": 1, "Zzyx": 1, "White stork": 1}, KNOWN, Kinds())
    assert [joined.class_of[label] for label in ("Hoded crow", "Oenanthe sp.", "Zzyx")] == [LEFT_OUT] * 3
    assert "did you mean" in joined.problems["Hoded crow"]
    assert "Hooded" in joined.problems["Hoded crow"]
    assert "genus" in joined.problems["Oenanthe sp."]
    assert "--kind 'Zzyx=bird'" in joined.problems["Zzyx"]


def test_a_person_may_say_that_an_unknown_word_is_a_class_of_birds() -> None:
    kinds = Kinds(given={"Ringed stork A": Kind.BIRD})
    assert join_classes({"Ringed stork A": 3}, KNOWN, kinds).new == ("Ringed stork A",)


def test_only_these_drops_the_classes_without_crops() -> None:
    joined = join_classes({"Common kestrel": 2, "Upupa epops": 3}, KNOWN, Kinds(), only_these=True)
    assert joined.names == ("Common kestrel", "Upupa epops")
    np.testing.assert_array_equal(joined.former, [2, -1])
    assert joined.class_of == {"Common kestrel": 0, "Upupa epops": 1}
    assert joined.counts.tolist() == [2, 3]
