"""The crosswalk, the taxa of classes, and the names that birds get."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backbones.errors import DataError
from detector.species.names.crosswalk import load_crosswalk, shipped_crosswalk
from detector.species.names.kinds import Kinds
from detector.species.names.taxonomy import ANY_BIRD, RANKS, Taxonomy, shared_word
from detector.species.naming import (
    NAME_THRESHOLD,
    RARE_FREQUENCY,
    Circumstances,
    Doubts,
    best_species,
    choose_ranks,
    name_birds,
)
from detector.species.posterior import posterior
from detector.species.rerank import Ranked, RankedBird
from detector.synthetic.plumages import PLUMAGES
from detector.types import Kind

SOURCES = Path(__file__).parents[4] / "../shared/data/taxonomy"

# two wheatears, their family's redstart, a crow of the same order, a stork, a class that is nothing, an unlisted owl
CLASSES = (
    "Northern wheatear",
    "Isabelline wheatear",
    "Common redstart",
    "Hooded crow",
    "White stork",
    "Unknown",
    "prairie owl",
)
TAXONOMY = Taxonomy(CLASSES)


def probabilities(**of_class: float) -> np.ndarray:
    row = np.zeros((1, len(CLASSES)), np.float32)
    for position, value in of_class.items():
        row[0, int(position[1:])] = value
    return row


def named(
    rows: np.ndarray, taxonomy: Taxonomy = TAXONOMY, seen: Circumstances | None = None, doubts: Doubts | None = None
) -> list[RankedBird]:
    """The names of birds by their probabilities (N, C)."""
    count = len(rows)
    seen = seen or Circumstances.of_image(np.full(count, 300.0))
    naming = name_birds(rows, taxonomy, NAME_THRESHOLD, seen, doubts or Doubts.none(count))
    kind, share = np.zeros(count, np.int8), np.full(count, np.nan, np.float32)
    return list(Ranked(kind=kind, share=share, taxonomy=taxonomy, **vars(naming)))


some_probabilities = arrays(
    np.float32, st.tuples(st.integers(0, 5), st.just(len(CLASSES))), elements=st.floats(-20, 20, width=32)
).map(posterior)


def test_the_shipped_table_knows_every_drawn_species_and_its_kin() -> None:
    taxonomy = Taxonomy([plumage.name for plumage in PLUMAGES])
    assert taxonomy.unlisted == ()
    assert [len(level.taxa) for level in taxonomy.levels] == [12, 4, 4, 3]


def test_a_class_is_found_by_class_scientific_or_english_name_in_any_case() -> None:
    for name in ("Griffon vulture", "griffon  Vulture", "Gyps fulvus", "Eurasian Griffon"):
        row = shipped_crosswalk().find(name)
        assert row is not None, name
        assert row.ebird_code == "eurgri1", name


@pytest.mark.parametrize(
    ("name", "scientific"),
    [
        ("adult little owl", "Athene noctua"), ("Little Owl (juv.)", "Athene noctua"), ("small owl sp.", None),
        ("3d80;aves;strigiformes;strigidae;strix;varia;barred owl", "Strix varia"),
        ("3d80;aves;strigiformes;strigidae;bubo;;", "Bubo"), ("b135;aves;;;;;bird", "Aves"),
        ("animalia;chordata;aves;passeriformes;corvidae;corvusbrachyrhynchos", "Corvus brachyrhynchos"),
        ("strigiformes;strigidae;bubo;bubo", "Bubo bubo"), ("f2d2;mammalia;;;;;mammal", None),
        ("unidentified Great Tit", "Parus major"), ("juvenile", None),
        ("male Large-billed Crow", "Corvus macrorhynchos"),
    ],
)  # fmt: skip
def test_words_that_say_nothing_are_taken_off_a_name_but_not_out_of_it(name: str, scientific: str | None) -> None:
    row = shipped_crosswalk().find(name)
    assert (row and row.scientific_name) == scientific


def test_a_scientific_name_that_no_row_has_brings_its_genus_family_and_order() -> None:
    row = shipped_crosswalk().find("Turdus migratorius")
    assert row is not None
    assert (row.genus, row.family, row.order) == ("Turdus", "Turdidae", "Passeriformes")
    assert shipped_crosswalk().find("Garden gnome") is None


def test_unknown_is_no_taxon_and_an_unlisted_class_is_a_species_of_its_own() -> None:
    assert TAXONOMY.named.tolist() == [True] * 5 + [False, True]
    assert TAXONOMY.unlisted == ("prairie owl",)
    assert [taxon.name for taxon in TAXONOMY.species.taxa][-1] == "prairie owl"
    assert TAXONOMY.scientific_names[4:] == ("Ciconia ciconia", None, None)


def test_classes_that_are_no_birds_or_that_nobody_knows_name_nothing() -> None:
    classes = ["Hooded crow", "Red fox", "garden gnome", "Unknown", "blank"]
    taxonomy = Taxonomy(classes)
    assert taxonomy.named.tolist() == [True, False, False, False, False]
    assert [str(kind) for kind in taxonomy.class_kinds] == ["bird", "animal", "undecided", "undecided", "blank"]
    assert taxonomy.undecided == ("garden gnome",)  # of "Unknown" the table says that it is no taxon
    told = Taxonomy(classes, kinds=Kinds(given={"garden gnome": Kind.BIRD}))
    assert (told.undecided, told.unlisted, told.named[2]) == ((), ("garden gnome",), True)


def test_classes_of_higher_ranks_count_in_their_own() -> None:
    classes = [
        "Laridae",
        "Oenanthe sp.",
        "accipitrids",
        "Passeriformes",
        "Aves",
        "raptor",
        "birds",
        "Northern wheatear",
    ]
    taxonomy = Taxonomy(classes)
    assert taxonomy.named.all()
    assert [[taxon.name for taxon in level.taxa] for level in taxonomy.levels] == [
        ["Oenanthe oenanthe"], ["Oenanthe"], ["Laridae", "Muscicapidae", "Accipitridae"],
        ["Charadriiformes", "Passeriformes", "Accipitriformes"],
    ]  # fmt: skip
    [bird] = named(np.eye(8, dtype=np.float32)[[0]], taxonomy)
    assert bird.name == taxonomy.levels[2].taxa[0]


def test_classes_by_the_short_names_of_gardeners_keep_them_and_their_relations() -> None:
    taxonomy = Taxonomy(["Robin", "Wren", "gull", "European Herring Gull"])
    assert [(taxon.name, taxon.rank) for taxon in taxonomy.species.taxa] == [
        ("Robin", None), ("Wren", None), ("gull", None), ("Larus argentatus", "species")
    ]  # fmt: skip
    names = [bird.name for bird in named(np.array([[0, 0, 0.5, 0.5], [0.4, 0.5, 0.1, 0]], np.float32), taxonomy)]
    assert [(name.name, name.rank) for name in names if name] == [("Laridae", "family"), ("Passeriformes", "order")]


def test_classes_of_one_species_are_one_taxon() -> None:
    taxonomy = Taxonomy(["Feral pigeon", "Rock pigeon", "Stock dove"])
    assert taxonomy.species.taxon_of_class.tolist() == [0, 0, 1]
    np.testing.assert_allclose(taxonomy.species.sums(np.array([[0.3, 0.4, 0.3]])), [[0.7, 0.3]])


def test_a_users_table_overrides_class_by_class_and_cell_by_cell(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(
        "\ufeffclass_name;hebrew_name;scientific_name;genus\r\n"
        "White stork;חסידה לבנה;;\r\nprairie owl;;-;\r\nwheatear;;Oenanthe;Oenanthe\r\n".encode()
    )
    taxonomy = Taxonomy((*CLASSES, "wheatear"), load_crosswalk(path))
    stork = taxonomy.species.taxa[4]
    assert (stork.name, stork.hebrew_name, stork.ebird_code) == ("Ciconia ciconia", "חסידה לבנה", "whisto1")
    assert not taxonomy.named[6]
    assert taxonomy.unlisted == ()
    assert taxonomy.species.taxon_of_class[7] == -1  # a class for a genus counts in the genus only
    assert taxonomy.levels[1].taxon_of_class[7] == taxonomy.levels[1].taxon_of_class[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("name\nx\n", "no column class_name"), ("class_name,genus\n,Turdus\n", "no class_name"),
     ("class_name\nx\nX\n", r"row 3.*row 2")],
)  # fmt: skip
def test_a_table_that_cannot_be_used_says_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        load_crosswalk(path)
    with pytest.raises(DataError, match=r"nothing\.csv"):
        load_crosswalk(tmp_path / "nothing.csv")


def test_names_of_a_detector_find_the_species_of_the_classifier() -> None:
    found = TAXONOMY.find_species(["Oenanthe oenanthe", "White Stork", "prairie owl", "Unknown", "Barn owl"])
    assert found.tolist() == [0, 4, 5, -1, -1]


def test_the_word_that_most_names_end_with_is_a_groups() -> None:
    assert shared_word(["Northern Wheatear", "Desert Wheatear", "Blackstart"]) == "wheatear"
    assert shared_word(["European Golden-Plover", "Gray Plover"]) == "plover"
    assert shared_word(["European Bee-eater", "Blue-cheeked Bee-eater"]) == "bee-eater"
    assert shared_word(["Mallard", "Teal"]) is None
    assert shared_word([]) is None


@given(some_probabilities)
def test_sums_over_taxa_equal_a_loop_and_never_fall_up_the_ranks(rows: np.ndarray) -> None:
    highest = np.zeros(len(rows))
    for level in TAXONOMY.levels:
        sums = level.sums(rows)
        for taxon in range(len(level.taxa)):
            expected = sum(rows[:, c] for c in range(len(CLASSES)) if level.taxon_of_class[c] == taxon)
            np.testing.assert_allclose(sums[:, taxon], expected, atol=1e-6)
        related = sums[:, level.taxon_of_class[0]]  # species, genus, family, order of the first class
        assert (related >= highest - 1e-6).all()
        highest = related


@given(some_probabilities, st.floats(0.3, 1))
def test_the_first_rank_that_reaches_the_threshold_is_chosen(rows: np.ndarray, threshold: float) -> None:
    level, index, confidence = choose_ranks(rows, TAXONOMY, threshold)
    for row in range(len(rows)):
        sums = [each.sums(rows[[row]])[0] for each in TAXONOMY.levels]
        reaching = [number for number, each in enumerate(sums) if each.max() >= threshold]
        assert level[row] == (reaching[0] if reaching else -1)
        if reaching:
            assert index[row] == sums[reaching[0]].argmax()
            assert confidence[row] == pytest.approx(min(1, sums[reaching[0]].max()))


@given(some_probabilities, st.integers(0, 9))
def test_the_best_species_equal_a_sort(rows: np.ndarray, count: int) -> None:
    indices = best_species(rows, count)[0]
    expected = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(indices, expected)


@given(some_probabilities)
def test_boxes_are_named_alone_as_together(rows: np.ndarray) -> None:
    assert named(rows) == [named(rows[[row]])[0] for row in range(len(rows))]


@pytest.mark.parametrize(
    ("row", "name", "rank", "shown"),
    [
        (probabilities(c0=0.9, c1=0.1), "Oenanthe oenanthe", "species", "Northern Wheatear"),
        (probabilities(c0=0.4, c1=0.4, c4=0.2), "Oenanthe", "genus", "unidentified wheatear (Oenanthe sp.)"),
        (probabilities(c0=0.35, c2=0.35, c4=0.3), "Muscicapidae", "family", "unidentified wheatear (Muscicapidae)"),
        (probabilities(c0=0.4, c3=0.4, c4=0.2), "Passeriformes", "order", "unidentified bird (Passeriformes)"),
        (probabilities(c0=0.5, c4=0.5), "Aves", "class", "unidentified bird"),
        (probabilities(c6=1.0), "prairie owl", None, "prairie owl"),
    ],
)
def test_the_name_is_of_the_lowest_rank_that_is_sure_enough(row: np.ndarray, name: str, rank: str, shown: str) -> None:
    [naming] = named(row)
    assert naming.name is not None
    assert (naming.name.name, naming.name.rank, naming.name.display_name) == (name, rank, shown)
    assert naming.confidence is None if rank == "class" else naming.confidence >= 0.65
    assert naming.needs_review == (rank not in ("species", None))
    assert naming.reasons == (() if rank in ("species", None) else ("classes disagree",))


def test_no_boxes_get_no_names() -> None:
    assert named(np.zeros((0, len(CLASSES)), np.float32)) == []


def test_candidates_are_the_three_best_species_falling() -> None:
    [naming] = named(probabilities(c0=0.1, c1=0.2, c3=0.3, c4=0.35, c5=0.05))
    assert [each.name for each in naming.candidates] == ["Ciconia ciconia", "Corvus cornix", "Oenanthe isabellina"]
    assert [each.confidence for each in naming.candidates] == pytest.approx([0.35, 0.3, 0.2])


def test_the_picture_is_blamed_only_for_birds_without_a_species() -> None:
    rows = np.concatenate([probabilities(c0=0.5, c4=0.5)] * 4 + [probabilities(c0=1.0)])
    seen = replace(
        Circumstances.of_image(np.array([20, 300, 300, 20, 20.0])),
        brightness=np.array([0.5, 0.01, 0.5, np.nan, 0.01], np.float32),
        night=np.array([False, False, True, True, True]),
    )
    namings = named(rows, seen=seen, doubts=replace(Doubts.none(5), no_bird=np.array([0, 1, 0, 0, 1], bool)))
    assert [each.reasons for each in namings] == [
        ("too small",), ("too dark", "may not be a bird"), ("without colour",), ("too small", "without colour"),
        ("may not be a bird",),
    ]  # fmt: skip


def test_a_bird_that_looks_like_no_class_is_said_to_be_unlike_any_species() -> None:
    [naming] = named(probabilities(c5=0.9, c0=0.1))
    assert naming.name == ANY_BIRD
    assert naming.reasons == ("unlike any known species",)


def test_species_off_the_local_list_or_rare_on_it_need_review_unless_they_are_sure() -> None:
    rows = np.concatenate([probabilities(c0=1.0), probabilities(c1=0.9), probabilities(c2=0.9), probabilities(c1=1.0)])
    frequency = np.full(len(CLASSES), 0.2)
    frequency[[1, 2]] = RARE_FREQUENCY / 2, np.nan
    rare, off = ("rare here",), ("not on the local list",)
    expected = [((), False), (rare, True), (off, True), (rare, False)]  # a prior alone makes no work
    namings = named(rows, doubts=replace(Doubts.none(4), frequency=np.tile(frequency, (4, 1))))
    assert [(each.reasons, each.needs_review) for each in namings] == expected


def test_what_a_person_should_look_at_is_what_is_not_named_or_hardly() -> None:
    rows = np.concatenate([probabilities(**{f"c{place}": value}) for place, value in ((0, 0.95), (0, 0.7), (3, 0.95))])
    quiet, near, other = named(rows, doubts=replace(Doubts.none(3), disagree=np.array([False, False, True])))
    assert (quiet.needs_review, quiet.reasons) == (False, ())
    assert (near.name, near.needs_review) == (TAXONOMY.taxa[0], True)
    assert (other.needs_review, other.reasons) == (True, ("detector and classifier disagree",))
    assert named(rows[:1], doubts=replace(Doubts.none(1), no_bird=np.array([True])))[0].needs_review


def test_what_is_missing_of_one_is_for_what_is_no_class() -> None:
    [naming] = named(probabilities(c0=0.21))
    assert (naming.name, naming.confidence, naming.reasons) == (ANY_BIRD, None, ("low score",))
    assert (naming.candidates[0].name, naming.candidates[0].confidence) == ("Oenanthe oenanthe", pytest.approx(0.21))


def test_ranks_follow_one_another() -> None:
    assert tuple(level.rank for level in TAXONOMY.levels) == RANKS


@pytest.mark.skipif(not SOURCES.is_dir(), reason="needs the sources of the table")
def test_the_shipped_table_covers_birders_classes_and_agrees_with_ebird() -> None:
    with (SOURCES / "birder_il_classes_with_taxonomy.csv").open(encoding="utf-8") as file:
        classes = [row["birder_class"] for row in csv.DictReader(file)]
    with (SOURCES / "ebird_clements_2023_from_rebird.csv").open(encoding="utf-8") as file:
        ebird = {row["sciName"]: row for row in csv.DictReader(file) if row["category"] == "species"}
    taxonomy = Taxonomy(classes)
    assert taxonomy.unlisted == ()
    assert (~taxonomy.named).sum() == 1
    for taxon in taxonomy.species.taxa:
        assert ebird[taxon.name]["speciesCode"] == taxon.ebird_code, taxon
        assert ebird[taxon.name]["comName"] == taxon.english_name
    of_class = np.array([level.taxon_of_class for level in taxonomy.levels])
    for rank, column in ((2, "familySciName"), (3, "order")):
        for species, higher in zip(of_class[0], of_class[rank], strict=True):
            if species >= 0:
                name = taxonomy.species.taxa[species].name
                assert taxonomy.levels[rank].taxa[higher].name == ebird[name][column]
