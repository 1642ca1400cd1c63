"""A number behind a date is a time of day only where all names like it can be."""

from detector.deployments.running_numbers import running_numbers


def test_no_files() -> None:
    assert running_numbers([]).tolist() == []


def test_numbers_of_up_to_four_digits_are_not_the_hour_after_midnight() -> None:
    assert running_numbers(["a/20240503_000123.jpg", "a/20240503_000124.jpg"]).all()


def test_one_name_that_is_no_time_tells_of_all() -> None:
    assert running_numbers(["2024-05-03_010158.jpg", "2024-05-03_010159.jpg", "2024-05-03_010160.jpg"]).all()


def test_times_of_a_day_are_times_also_after_midnight() -> None:
    names = ["a/IMG_20240503_000123.jpg", "a/IMG_20240504_063015.jpg", "a/IMG_20240504_063015_1.jpg"]
    assert not running_numbers(names).any()


def test_names_of_other_folders_and_forms_say_nothing() -> None:
    names = ["a/20240503_000123.jpg", "b/20240503_063015.jpg", "a/IMG_20240503_063015.jpg", "a/2024-05-03 06-30-15.jpg"]
    assert running_numbers([*names, "a/IMG_0001.JPG"]).tolist() == [True, False, False, False, False]
