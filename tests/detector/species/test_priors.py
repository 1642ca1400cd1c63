"""eBird's bar charts and tables of frequencies, as priors."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import DataError
from detector.species.posterior import posterior
from detector.species.priors import LOWEST_FREQUENCY, WHOLE_YEAR, Prior, period_of

HEAD = (
    "\n\n\nFrequency of observations in the selected location(s).:\nNumber of taxa: \t5\n\n\tJan\t\t\t\tFeb\t\t\t\t\n"
)


def line(name: str, values: list[float], tail: str = "\t") -> str:
    return name + "\t" + "\t".join(f"{value:.4G}" for value in values) + tail


def both(common: str, scientific: str) -> str:
    return f'{common} (<em class="sci">{scientific}</em>)'


def bar_chart(tmp_path: Path, rows: list[str], sizes: list[float] | None = None, ending: str = "\r\n") -> Path:
    text = HEAD + line("Sample Size:", sizes or [100.0] * 48) + "\n\n" + "\n".join(rows) + "\n"
    path = tmp_path / "ebird_IL__2015_2025_1_12_barchart.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", ending).encode())
    return path


@pytest.mark.parametrize(
    ("month", "day", "period"), [(1, 1, 0), (1, 7, 0), (1, 8, 1), (1, 22, 3), (1, 31, 3), (2, 1, 4), (12, 31, 47)]
)
def test_periods_are_four_a_month(month: int, day: int, period: int) -> None:
    assert period_of(datetime.date(2024, month, day)) == period


@given(st.dates())
def test_every_date_has_a_period(date: datetime.date) -> None:
    assert 0 <= period_of(date) < 48
    assert period_of(date) // 4 == date.month - 1


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_bar_chart_is_read_as_birders_download_it(tmp_path: Path, ending: str) -> None:
    rows = [
        line(both("Eurasian Hoopoe", "Upupa epops"), [0.5] * 48),
        line(both("Steller&#39;s Eider", "Polysticta stelleri"), [9.132e-4] * 48, tail=""),
        line("&quot;x&quot; (<em class=&quot;sci&quot;>Ciconia ciconia</em>)", [0.25] * 48),
        line('"Hooded Crow (<em class=""sci"">Corvus cornix</em>)"', [0.25] * 48),
        line(both("wheatear sp.", "Oenanthe sp."), [0.9] * 48),
        line(both("Greater/Lesser Scaup", "Aythya marila/affinis"), [0.9] * 48),
        line(both("Mallard x Gadwall (hybrid)", "Anas platyrhynchos x Mareca strepera"), [0.9] * 48),
    ]
    prior = Prior.read(bar_chart(tmp_path, rows, ending=ending))
    assert sorted(prior.names) == ["Ciconia ciconia", "Corvus cornix", "Polysticta stelleri", "Upupa epops"]
    assert prior.frequencies.shape == (4, 49)
    np.testing.assert_allclose(prior.frequencies[prior.names.index("Upupa epops")], 0.5)


def test_subspecies_and_groups_count_only_where_their_species_has_no_row(tmp_path: Path) -> None:
    rows = [
        line(both("Yellow Wagtail (feldegg)", "Motacilla flava feldegg"), [0.2] * 48),
        line(both("Yellow Wagtail (flava)", "Motacilla flava flava"), [0.1] * 48),
        line(both("White Wagtail", "Motacilla alba"), [0.5] * 48),
        line(both("White Wagtail (alba)", "Motacilla alba alba"), [0.4] * 48),
        line(both("Rock Pigeon (Feral Pigeon)", "Columba livia (Feral Pigeon)"), [0.35] * 48),
        line(both("Rock Pigeon", "Columba livia"), [0.4] * 48),
        line(both("Dark-eyed Junco", "Junco hyemalis"), [0.2] * 48),
        line(both("Dark-eyed Junco (Oregon)", "Junco hyemalis [oreganus Group]"), [0.15] * 48),
        line(both("Mallard (Domestic type)", "Anas platyrhynchos (Domestic type)"), [0.25] * 48),
        line(both("Yellow-rumped Warbler (Myrtle x Audubon's)", "Setophaga coronata coronata x auduboni"), [0.1] * 48),
    ]
    prior = Prior.read(bar_chart(tmp_path, rows))
    year = dict(zip(prior.names, prior.frequencies[:, WHOLE_YEAR], strict=True))
    assert year == pytest.approx({
        "Motacilla flava": 0.3, "Motacilla alba": 0.5, "Columba livia": 0.4, "Junco hyemalis": 0.2,
        "Anas platyrhynchos": 0.25, "Setophaga coronata": 0.1,
    })  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["Laridae sp. (gull sp.)", "Larus sp.", "Aythya marila/affinis", "Accipiter nisus/Astur gentilis",
     "Anas platyrhynchos x Mareca strepera", "Anas platyrhynchos (Domestic type) x cygnoides",
     "Larus argentatus x fuscus", "Anser/Branta sp.", "Larus argentatus × fuscus"],
)  # fmt: skip
def test_rows_of_no_single_species_are_left_out(tmp_path: Path, name: str) -> None:
    rows = [line(both("x", name), [0.5] * 48), line(both("Eurasian Hoopoe", "Upupa epops"), [0.1] * 48)]
    assert Prior.read(bar_chart(tmp_path, rows)).names == ("Upupa epops",)


@pytest.mark.parametrize("label", ["Sample Size:", "Stichprobengröße:", "Tamaño de la muestra:", "样本量"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_bar_chart_is_read_in_any_language(tmp_path: Path, label: str, encoding: str) -> None:
    path = tmp_path / "chart.txt"
    rows = [line(label, [100.0] * 48), "", line(both("Wiedehopf", "Upupa epops"), [0.5] * 48)]
    path.write_bytes(("\n\nAnzahl der Taxa:\t1\n\n\tJ\t\t\t\tF\n" + "\n".join(rows)).encode(encoding))
    prior = Prior.read(path)
    assert (prior.names, prior.frequencies[0, 0]) == (("Upupa epops",), pytest.approx(0.5))


def test_rows_that_have_no_scientific_name_among_others_are_said(tmp_path: Path) -> None:
    rows = [line("Graubrustwiedehopf", [0.5] * 48), line("Wiedehopf (Upupa epops)", [0.25] * 48)]
    prior = Prior.read(bar_chart(tmp_path, rows))
    assert prior.names == ("Upupa epops",)
    assert "Graubrustwiedehopf" in prior.notes[0]


def test_a_list_without_species_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no species"):
        Prior.read(bar_chart(tmp_path, []))
    (tmp_path / "prior.csv").write_text("scientific_name,period,frequency\n")
    with pytest.raises(DataError, match="names no species"):
        Prior.read(tmp_path / "prior.csv")


def test_scientific_names_alone_are_enough_and_english_ones_are_not(tmp_path: Path) -> None:
    assert Prior.read(bar_chart(tmp_path, [line("Upupa epops", [0.5] * 48)])).names == ("Upupa epops",)
    english = [line("Eurasian Hoopoe", [0.5] * 48), line("Anas sp.", [0.5] * 48)]
    with pytest.raises(DataError, match=r"no scientific names.*common and scientific"):
        Prior.read(bar_chart(tmp_path, english))


def test_a_chart_that_was_cut_off_within_a_row_is_refused(tmp_path: Path) -> None:
    rows = [line(both("Eurasian Hoopoe", "Upupa epops"), [0.5] * 48), "White Stork (<em cl"]
    with pytest.raises(DataError, match="line 11"):
        Prior.read(bar_chart(tmp_path, rows))


@pytest.mark.parametrize("cells", [[0.5] * 47, [0.5] * 49, [1.5] * 48])
def test_a_row_that_was_edited_is_named(tmp_path: Path, cells: list[float]) -> None:
    with pytest.raises(DataError, match="line 10"):
        Prior.read(bar_chart(tmp_path, [line("Upupa epops", cells)]))


def test_another_file_is_not_a_prior(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"no column scientific_name.*barchart"):
        Prior.read(path)
    with pytest.raises(DataError, match=r"nothing\.txt"):
        Prior.read(tmp_path / "nothing.txt")


def test_frequencies_are_mixed_with_the_year_by_the_checklists_behind_them(tmp_path: Path) -> None:
    sizes, seen = [0.0] * 48, [0.0] * 48
    sizes[10], seen[10] = 30, 0.5
    sizes[20] = 10.0
    sizes[40], seen[40] = 0, 1.0  # nobody looked: says nothing, whatever stands there
    frequencies = Prior.read(bar_chart(tmp_path, [line("Upupa epops", seen)], sizes)).frequencies[0]
    year = 15 / 40
    assert frequencies[WHOLE_YEAR] == pytest.approx(year)
    assert frequencies[10] == pytest.approx((15 + 20 * year) / (30 + 20))
    assert frequencies[11] == pytest.approx((7.5 + 20 * year) / (15 + 20))  # its neighbour counts by half
    assert frequencies[20] == pytest.approx((0 + 20 * year) / (10 + 20))
    assert frequencies[40] == pytest.approx(year)


def test_many_checklists_are_believed_and_december_is_beside_january(tmp_path: Path) -> None:
    seen = [0.0] * 24 + [0.4] * 24
    frequencies = Prior.read(bar_chart(tmp_path, [line("Upupa epops", seen)], [1e6] * 48)).frequencies[0]
    assert frequencies[10] == pytest.approx(0, abs=1e-4)
    assert frequencies[35] == pytest.approx(0.4, abs=1e-4)
    assert frequencies[0] == pytest.approx(0.1, abs=1e-4)


def test_without_checklists_nothing_is_known_and_nothing_changes(tmp_path: Path) -> None:
    prior = Prior.read(bar_chart(tmp_path, [line("Upupa epops", [0.0] * 48)], [0.0] * 48))
    assert prior.empty
    assert (prior.log_prior(["Upupa epops", None]) == 0).all()


def csv_prior(tmp_path: Path, text: str, header: str = "scientific_name,period,frequency") -> Prior:
    path = tmp_path / "prior.csv"
    path.write_text(f"{header}\n{text}", "utf-8-sig")
    return Prior.read(path)


def test_periods_that_a_table_does_not_give_are_absence_and_said(tmp_path: Path) -> None:
    prior = csv_prior(tmp_path, "Upupa epops,0,0.2\nUpupa epops,1.0,0.4\nCorvus cornix,,0.8\nCorvus cornix,7,0.5\n")
    hoopoe, crow = prior.frequencies
    assert hoopoe[[0, 1, 30, WHOLE_YEAR]] == pytest.approx([0.2, 0.4, 0, 0.6 / 48])
    assert crow[[0, 7, 47]] == pytest.approx([0.8, 0.5, 0.8])
    [note] = prior.notes
    assert "1 species have rows for some periods only, and count as absent in the others (Upupa epops)" in note


def test_a_column_says_that_other_periods_are_not_known(tmp_path: Path) -> None:
    header = "scientific_name,period,frequency,other_periods"
    prior = csv_prior(tmp_path, "Upupa epops,0,0.2,\nUpupa epops,1,0.4,unknown\nCorvus cornix,3,0.5,Absent\n", header)
    assert prior.frequencies[0][[0, 1, 30, WHOLE_YEAR]] == pytest.approx([0.2, 0.4, 0.3, 0.3])
    assert prior.frequencies[1][[3, 30]] == pytest.approx([0.5, 0])
    assert prior.notes == ()
    with pytest.raises(DataError, match=r"row 2.*neither absent nor unknown"):
        csv_prior(tmp_path, "Upupa epops,0,0.2,maybe\n", header)


@pytest.mark.parametrize(
    "text", ["Upupa epops;;0,4", "Upupa epops;;40%", "Upupa epops;;40 %;", "Eurasian Hoopoe;NA;0.4"]
)
def test_shares_are_written_in_several_ways(tmp_path: Path, text: str) -> None:
    prior = csv_prior(tmp_path, text, "scientific_name;period;frequency")
    assert prior.join(["Upupa epops"]).frequency == pytest.approx(0.4)


@pytest.mark.parametrize(
    "row",
    ["Upupa epops,48,0.2", "Upupa epops,0,1.2", "Upupa epops,x,0.2", ",0,0.2", "Upupa epops,0,", "Upupa epops,0,nan",
     "Upupa epops,0,40", "Upupa epops,0,0,4", "Upupa epops,-1,0.4", "Upupa epops,0,0.1\nUpupa epops,0,0.2"],
)  # fmt: skip
def test_a_broken_row_of_a_table_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(DataError, match=r"prior.csv row [23]"):
        csv_prior(tmp_path, row)


def test_names_that_do_not_join_get_the_median_and_those_that_ebird_knows_less_than_the_lowest() -> None:
    frequencies = [[0.3], [0.1], [0.2], [0.0], [0.05]]
    names = ("Upupa epops", "Corvus cornix", "Merops apiaster", "Ciconia ciconia", "Apus apus")
    prior = Prior(names, np.repeat(frequencies, 49, axis=1))
    classes = ["corvus cornix", "Tyto alba", None, "Upupa epops", "Ciconia ciconia", "Pictorapax fasciatus"]
    local = prior.join(classes)
    assert (local.absent, local.unmatched) == (("Tyto alba",), ("Pictorapax fasciatus",))
    assert np.isnan(local.frequency[0]).tolist() == [False, True, True, False, False, True]
    expected = [0, np.log(LOWEST_FREQUENCY / 2 / 0.1), 0, np.log(3), np.log(LOWEST_FREQUENCY / 0.1), 0]
    np.testing.assert_allclose(prior.log_prior(classes, 5), expected, rtol=1e-5, atol=1e-7)
    assert local.log_prior.shape == (49, 6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_class_that_is_not_on_the_list_never_outweighs_what_it_should_not(frequencies: list[float]) -> None:
    names = tuple(f"Genus species{number}" for number in range(len(frequencies)))
    prior = Prior(names, np.repeat(np.array(frequencies)[:, None], 49, axis=1))
    weights = prior.log_prior([*names, "Tyto alba", "Pictorapax fasciatus"])
    assert weights[-2] < weights[:-2].min()
    assert weights[-1] <= np.median(weights[:-2]) + 1e-6


def test_a_species_that_was_moved_to_another_genus_joins_where_that_leaves_no_choice() -> None:
    prior = Prior(("Accipiter gentilis", "Charadrius alexandrinus", "Calidris alba"), np.full((3, 49), 0.25))
    local = prior.join(["Astur gentilis", "Anarhynchus alexandrinus", "Tyto alba"])
    assert np.isfinite(local.frequency[0]).tolist() == [True, True, False]
    assert local.moved == (
        "Anarhynchus alexandrinus (Charadrius alexandrinus)", "Astur gentilis (Accipiter gentilis)",
    )  # fmt: skip
    assert local.absent == ("Tyto alba",)
    two = Prior(("Accipiter gentilis", "Tachyspiza gentilis"), np.full((2, 49), 0.25))
    local = two.join(["Astur gentilis"])
    assert (local.moved, local.absent, local.unmatched) == ((), (), ("Astur gentilis",))
    new_genus = Prior(("Alexandrinus krameri", "Upupa epops"), np.full((2, 49), 0.25))
    assert new_genus.join(["Psittacula krameri"]).unmatched == ("Psittacula krameri",)


def test_a_prior_in_which_no_name_joins_changes_nothing() -> None:
    prior = Prior(("Upupa epops",), np.full((1, 49), 0.3))
    logits = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    np.testing.assert_array_equal(posterior(logits, 1.0, prior.log_prior(["Tyto alba", None])), posterior(logits))
    assert Prior((), np.zeros((0, 49))).empty
    assert (Prior((), np.zeros((0, 49))).log_prior(["Tyto alba"]) == 0).all()
