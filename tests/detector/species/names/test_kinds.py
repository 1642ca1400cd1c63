"""What labels say a thing is."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights

from detector.models.coco import GROUPS
from detector.species.names.crosswalk import load_crosswalk
from detector.species.names.fauna import world_birds, world_mammals
from detector.species.names.kinds import Kinds, kind_of_label
from detector.species.names.label_words import TABLES, taxon_key, word_kinds
from detector.types import Kind

SOURCES = Path(__file__).parents[4] / "../shared/data/taxonomy"

LABELS = {
    Kind.BIRD: """
        bird; Birds; AVES; otherBird; unknown bird; Bird sp.; birds of prey; raptor sp; passerine; gulls; warbler
        sp.; Oenanthe; Oenanthe sp.; oenanthe oenanthe; Motacilla alba alba; Laridae; Passeriformes; unidentified
        accipitrid; Barred_Hawklet; ember robinet; Northern wheatear (juvenile); Gray Heron; Grey heron; Rüppell's
        Vulture; whiteHeadedBuffaloWeaver; greyBackedFiscal; secretarybird; Great Bustard of Nowhere; prairie owl;
        catbird; kiwi; 001.Black_footed_Albatross; Common Loon (Adult Female); Dove, mourning; Greater/Lesser
        Spotted Eagle; chicks; goldfinch, Carduelis carduelis; Mallard x Muscovy; flock of birds;
        not identified bird; bird flying; snake
        eagle; tiger heron; 03111_Animalia_Chordata_Aves_Accipitriformes_Accipitridae_Accipiter_badius; pájaro;
        ציפור; black kite; sandhill crane; Circus aeruginosus; Bubo bubo; Corvus corone cornix; guineaFowl; wild
        turkey
    """,
    Kind.ANIMAL: """
        coyote; bobcat; kudu; Vulpes vulpes; foxes; wolves; gazella gazella; white-tailed deer; White_Tailed_Deer;
        domestic_cattle; red_squirrel; raccoon_dog; european_rabbit; hyenaSpotted; gazelleThomsons; insectSpider;
        lionCub; sea lion; mountain_lion; prairie dog; flying fox; sugar glider; kangaroo rat; elephant shrew;
        monitor lizard; unidentified mammal; Rodentia; Felidae; felid; Canis; other animal; other animals; bat;
        butterfly; ladybird; crab_(animal); cuckoo wasp; herd of cows; flock of sheep; cat/dog; feral cat;
        livestock; primate; snakes; fish; varanus salvator; Danaus plexippus; Reptilia; Insecta; German shepherd;
        Panthera pardus tulliana; 04692_Animalia_Chordata_Mammalia_Carnivora_Felidae_Lynx_rufus; שועל; Katze;
        non-bird animal
    """,
    Kind.UNCERTAIN: """
        animal; Animal; animals; wildlife; unknown animal; animal_unknown; unidentified animal; Animalia;
        fox/crow; bird or animal
    """,
    Kind.PERSON: """
        person; people; Human; human_being; Homo sapiens; hiker; hunter; cyclist; motorcyclist; dog-walker; kids;
        person with dog; man walking dog; people on bikes; human + dog; two hikers; setup/pickup; אדם; German
        tourist
    """,
    Kind.VEHICLE: """
        vehicle; car; pickup truck; quad bike; ATV; bicycle; airplane; drone; school_bus; vehicles
    """,
    Kind.BLANK: """
        blank; Empty; background; misfire; false_positive; none; Nothing; no_animal; no detection; non_bird;
        non-bird; not_a_bird; no bird; leaf; bird feeder; birdhouse;
        05000_Plantae_Tracheophyta_Magnoliopsida_Bidens_alba
    """,
    Kind.UNDECIDED: """
        unknown; other; unidentified; juvenile; kite; crane; toy kite; construction crane; chat; gizmo; hiiker;
        coyotee; Class_0; 17; non-target; dog leash; pan; secretary; garden gnome
    """,
}
CASES = [(" ".join(label.split()), kind) for kind, labels in LABELS.items() for label in labels.split(";")]


@pytest.mark.parametrize(("label", "kind"), [*CASES, ("", Kind.UNDECIDED)])
def test_a_label_says_what_kind_of_thing_it_is(label: str, kind: Kind) -> None:
    assert kind_of_label(label) == kind


def test_lineages_of_speciesnet_are_told_by_their_classes() -> None:
    kinds = {
        "f1856211;;;;;;blank": Kind.BLANK, "1f689929;;;;;;animal": Kind.UNCERTAIN,
        "e2895ed5;;;;;;vehicle": Kind.VEHICLE,
        "990ae9dd;mammalia;primates;hominidae;homo;sapiens;human": Kind.PERSON,
        "b1352069;aves;;;;;bird": Kind.BIRD, "3d80f1d6;aves;strigiformes;strigidae;bubo;;": Kind.BIRD,
        "f2d233e3;mammalia;;;;;mammal": Kind.ANIMAL, "0;reptilia;squamata;;;;": Kind.ANIMAL,
        "f2efdae9" + ";no cv result" * 6: Kind.UNDECIDED,
        "animalia;chordata;aves;galliformes;phasianidae;gallusgallus": Kind.BIRD,
        "animalia;chordata;mammalia;carnivora;ursidae;ursusamericanus": Kind.ANIMAL,
        "strigiformes;strigidae;bubo;bubo": Kind.BIRD, "mammalia;chordata;canidae;canis;lupus dingo": Kind.ANIMAL,
    }  # fmt: skip
    assert {label: kind_of_label(label) for label in kinds} == kinds


def test_of_the_things_of_coco_only_the_toy_that_is_called_like_a_bird_is_undecided() -> None:
    names = FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"][1:]
    names = [name for name in names if name != "N/A"]
    assert len(names) == 80
    assert [name for name in names if kind_of_label(name) == Kind.UNDECIDED] == ["kite"]
    assert [name for name in names if kind_of_label(name) == Kind.BIRD] == ["bird"]


def test_the_built_in_detectors_categories_are_all_decided() -> None:
    assert [kind_of_label(name) for name in GROUPS] == ["bird", "animal", "person", "vehicle"]


def test_every_name_of_a_bird_is_a_birds_and_of_a_mammal_none() -> None:
    wrong = {name for name in world_birds().names if kind_of_label(name) != Kind.BIRD}
    assert wrong == {"Rifleman"}  # in front of a camera it is rather a person
    birds = {name for name in world_mammals().names if kind_of_label(name) == Kind.BIRD}
    assert birds == {"Hard-head"}  # a duck's name, and an old one of a whale
    people = {row.scientific_name for row in world_mammals().species.values()
              if kind_of_label(row.scientific_name) == Kind.PERSON}  # fmt: skip
    assert people == {"Homo sapiens"}


def test_every_class_of_the_shipped_classifiers_is_a_birds() -> None:
    with (TABLES / "birds.csv").open(encoding="utf-8") as file:
        classes = [row["class_name"] for row in csv.DictReader(file)]
    assert [name for name in classes if kind_of_label(name) != Kind.BIRD] == ["Unknown"]


@pytest.mark.skipif(not SOURCES.is_dir(), reason="needs the sources of the tables")
def test_every_species_of_avonet_is_a_birds() -> None:
    with (SOURCES / "avonet_birdlife_taxonomy.csv").open(encoding="utf-8") as file:
        names = [row["species"] for row in csv.DictReader(file)]
    assert len(names) > 11_000
    assert [name for name in names if kind_of_label(name) != Kind.BIRD] == []


def test_what_a_person_says_counts_first_however_the_label_is_written() -> None:
    kinds = Kinds(given={"Kite": Kind.BIRD, "secretary": Kind.PERSON, "hooded crow": Kind.BLANK})
    assert [kinds.of(label) for label in ("kite", "KITE", "Secretary", "Hooded_Crow")] == [
        Kind.BIRD, Kind.BIRD, Kind.PERSON, Kind.BLANK
    ]  # fmt: skip
    assert kind_of_label("kite") == Kind.UNDECIDED


def test_a_users_table_tells_birds_mammals_and_what_is_no_taxon(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "class_name,scientific_name,hebrew_name,genus,family,order\n"
        "grackling,Nonesuch avis,,,,Passeriformes\nsionit,Vulpes vulpes,,,,\ndragon,Varanus niloticus,,,,Squamata\n"
        "rest,-,,,,\nhoopoe,,\u05d3\u05d5\u05db\u05d9\u05e4\u05ea,,,\nperson,,\u05d4\u05d5\u05dc\u05da,,,\n",
        encoding="utf-8",
    )
    kinds = Kinds(load_crosswalk(path))
    labels = [
        "grackling",
        "sionit",
        "dragon",
        "rest",
        "\u05d3\u05d5\u05db\u05d9\u05e4\u05ea",
        "\u05d4\u05d5\u05dc\u05da",
    ]
    assert [kinds.of(label) for label in labels] == [
        Kind.BIRD, Kind.ANIMAL, Kind.ANIMAL, Kind.UNDECIDED, Kind.BIRD, Kind.PERSON
    ]  # fmt: skip


@given(st.text(max_size=40))
def test_any_text_has_a_kind_whatever_its_case_and_hyphens(label: str) -> None:
    kind = kind_of_label(label)
    assert kind in Kind
    if label.isascii() and label.islower() and label.isalpha():
        assert kind_of_label(label.upper()) == kind_of_label(f" {label}_") == kind


def test_the_table_of_kinds_says_each_word_once() -> None:
    with (TABLES / "kinds.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {*Kind, "ignored"}
    kinds: dict[str, set[str]] = {}
    for row in rows:
        kinds.setdefault(taxon_key(row["words"]), set()).add(row["kind"])
    assert {words: found for words, found in kinds.items() if len(found) > 1} == {}
    assert len(word_kinds()) == len(kinds)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Hoopoe", "Upupa epops"),
        ("hoopoe", "Upupa epops"),
        ("moudov", None),
        ("eurhob", None),
        ("mallar3", "Anas platyrhynchos"),
        ("canvas", None),
    ],
)
def test_codes_of_ebird_are_species_where_they_are_no_other_word(label, name):
    row = world_birds().find(label)
    assert (row and row.scientific_name) == name
