"""The first minute: what commands say of themselves, and that it is true."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from backbones.errors import ConfigError
from detector.cli.commands import COMMANDS, GROUPS, command_in, command_parser
from detector.cli.data_sets.doctor import CONVENTIONS
from detector.cli.main import main
from detector.cli.options.paths import PathOf, each_of
from detector.data.conventions import Boxes

SCREEN_LINES = 45  # of 80 characters


def printed_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_screen(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = printed_help([name, "--help"], capsys)
    assert len(said.splitlines()) <= SCREEN_LINES
    assert said.startswith(f"usage: hoopoe {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_long_help_explains_every_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = printed_help([name, "--help-all"], capsys)
    parser = command_parser(name)
    assert all(option in said for action in parser._actions for option in action.option_strings)
    assert all(action.help for action in parser._actions)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_read_by_its_commands_parser(name: str) -> None:
    parser = command_parser(name)
    assert parser.examples
    for example in parser.examples:
        if name == "completion":
            assert "hoopoe completion" in example
            continue
        program, command, *words = shlex.split(example)
        assert (program, command) == ("hoopoe", name)
        parser.parse_args(words)


def test_every_command_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


def test_words_of_the_program_may_stand_before_the_command() -> None:
    assert command_in([]) == (None, [])
    assert command_in(["--log", "json", "--quiet", "decide", "OUT"]) == ("decide", ["--log", "json", "--quiet", "OUT"])
    assert command_in(["help", "decide"]) == ("decide", ["--help"])
    with pytest.raises(ConfigError, match="decide"):
        command_in(["--quiet", "decied"])


def test_a_command_without_what_it_needs_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", "card"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "error: the following arguments are required: --output",
        "where: hoopoe annotate",
        "hint:  `hoopoe annotate --help` shows its options",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_path_says_what_it_wants(name: str, tmp_path: Path) -> None:
    """A file where a folder is wanted, a folder where a file is, and nothing where something must be."""
    file = tmp_path / "file"
    file.touch()
    for action in command_parser(name)._actions:
        assert action.type is not Path, action.dest
        if not isinstance(action.type, PathOf) or action.type == each_of(action.type.what):
            continue
        option = action.option_strings[-1] if action.option_strings else str(action.metavar)
        wrong = {True: file, False: tmp_path, None: tmp_path / "absent"}[action.type.folder]
        with pytest.raises(ConfigError) as refused:
            action.type.check(option, wrong)
        assert refused.value.where == str(wrong)
        assert refused.value.hint is not None
        assert refused.value.hint.startswith(f"{option} takes the f")


def test_a_folder_for_a_file_is_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path), "--images", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: this is a folder, not a file",
        f"where: {tmp_path}",
        "hint:  ANNOTATIONS takes the file of COCO boxes, such as train.json",
    ]
    assert (
        main(["annotate", str(tmp_path), "--output", str(tmp_path), "--detector", "x", "--prior", str(tmp_path)]) == 2
    )
    assert "--prior takes the file of species" in capsys.readouterr().err


def test_the_doctor_offers_every_convention_of_boxes() -> None:
    assert list(Boxes) == list(CONVENTIONS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_shells_get_their_lines(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "hoopoe" in capsys.readouterr().out


def test_the_tab_key_completes_commands_and_options_without_torch(tmp_path: Path) -> None:
    def completed(line: str) -> list[str]:
        answer = tmp_path / "answer"
        environment = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
        code = "import sys; from detector.cli.main import main; main()"
        words = [sys.executable, "-c", code]
        environment |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "PYTHONPATH": ":".join(sys.path)}
        subprocess.run(words, env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
        return [word.strip() for word in answer.read_text().splitlines()]

    assert completed("hoopoe dec") == ["decide"]
    assert "--score-threshold" in completed("hoopoe decide OUT --score")


def test_json_begins_and_ends_each_command_also_one_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decide", "absent", "--log", "json"]) == 2
    captured = capsys.readouterr()
    begun, failed, ended = (json.loads(line) for line in captured.err.splitlines())
    assert (begun["event"], begun["command"]) == ("started", "decide")
    assert (failed["event"], failed["where"]) == ("error", "absent")
    assert (ended["event"], ended["exit_code"]) == ("finished", 2)
    assert captured.out == ""
