"""The frame: the command line answers fast and speaks plainly, and what is shipped is there."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import entry_points, requires, version
from importlib.resources import files
from pathlib import Path

import pytest

import detector
from backbones.errors import DataError
from detector.cli import main as cli
from detector.cli.main import COMMANDS, main
from detector.config import shipped_folder

HEAVY = ("torch", "torchvision", "cv2", "albumentations", "matplotlib", "huggingface_hub", "numpy", "PIL")


STARTS = (
    "import backbones",
    "import detector",
    "from detector.cli.main import main; main([])",
    *(
        f"from detector.cli.main import main\ntry: main(['{name}', '--help'])\nexcept SystemExit: pass"
        for name in COMMANDS
    ),
)
ONE_BY_ONE = """
import json, sys
found, before = {}, set()
for code in json.loads(sys.argv[1]):
    exec(code)
    held = {name.split('.')[0] for name in sys.modules}
    found[code], before = sorted(held - before), held
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """Top-level modules that a fresh interpreter loads as it starts in each way, one way after the other."""
    words = [sys.executable, "-c", ONE_BY_ONE, json.dumps(STARTS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A command `probe` in the table, whose `run` a test replaces."""
    module = types.ModuleType("probe_command")
    module.add_arguments = lambda parser: parser.add_argument("--lines", type=int, default=0)  # type: ignore[attr-defined]
    module.run = lambda args: args.lines  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "probe_command", module)
    monkeypatch.setitem(cli.COMMANDS, "probe", ("probe_command", "a command of the tests"))
    return module


def fails_with(error: BaseException) -> Callable[[object], int]:
    def run(args: object) -> int:
        raise error

    return run


@pytest.mark.parametrize("code", STARTS)
def test_start_up_imports_nothing_heavy(code: str, loaded: dict[str, list[str]]) -> None:
    assert set(loaded[code]).isdisjoint(HEAVY)


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed and summary in printed for name, (_, summary) in COMMANDS.items())


def test_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clasify", "bird.jpg"]) == 2
    err = capsys.readouterr().err
    assert "there is no command 'clasify'" in err
    assert "`hoopoe classify`" in err


def test_unknown_option_exits_with_2(command: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "--linse", "3"]) == 2
    said = capsys.readouterr().err
    assert "--linse" in said
    assert "did you mean --lines? `hoopoe probe --help` shows its options" in said


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"hoopoe {version('hoopoe')}\n"
    assert detector.__version__ == version("hoopoe")


def test_exit_code_is_the_commands(command: types.ModuleType) -> None:
    assert main(["probe"]) == 0
    assert main(["probe", "--lines", "1"]) == 1


def test_error_is_three_lines_and_exit_code_2(command: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    command.run = fails_with(DataError("bbox width is -3.0", where="birds.json: annotation 4711", hint="fix the file"))
    assert main(["probe"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: bbox width is -3.0",
        "where: birds.json: annotation 4711",
        "hint:  fix the file",
    ]


def test_error_prints_only_what_is_known(command: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    command.run = fails_with(DataError("nothing to read"))
    assert main(["probe"]) == 2
    assert capsys.readouterr().err == "error: nothing to read\n"


@pytest.mark.parametrize("words", [["--debug", "probe"], ["probe", "--debug"]])
def test_debug_shows_the_traceback(
    command: types.ModuleType, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command.run = fails_with(DataError("nothing to read"))
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("error: nothing to read\n")


def test_missing_file_is_the_users_to_mend(
    command: types.ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.run = lambda args: (tmp_path / "absent.json").open()
    assert main(["probe"]) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "error: No such file or directory"
    assert err[1] == f"where: {tmp_path / 'absent.json'}"


def test_defect_says_so_and_exits_with_3(command: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    command.run = fails_with(KeyError("stage5"))
    assert main(["probe"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("error: KeyError: 'stage5'\nwhere: ")
    assert "--debug" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_one_line_and_an_exit_code(
    command: types.ModuleType, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    before = signal.getsignal(number)
    command.run = lambda args: signal.raise_signal(number)
    assert main(["probe"]) == code
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(number) is before


def test_the_help_says_what_the_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"  {code}" in said for code in ("0", "1", "2", "3", "130, 143"))


def test_reader_that_closes_the_pipe_ends_the_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from detector.cli.main import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 0


def test_every_command_has_its_module() -> None:
    for module, _ in COMMANDS.values():
        assert importlib.util.find_spec(module) is not None


def test_console_command_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="hoopoe")
    assert script.load() is main


def test_types_and_configurations_are_shipped() -> None:
    for package in ("backbones", "detector"):
        assert files(package).joinpath("py.typed").is_file()
    assert shipped_folder().joinpath("faster_rcnn_davit_tiny.yaml").is_file()


def test_an_installed_hoopoe_has_its_configurations_inside_its_own_package(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build",
        "--build-base",
        tmp_path / "base",
        "--build-lib",
        tmp_path / "lib",
    ]
    subprocess.run(command, cwd=root, check=True)
    assert sorted(each.name for each in (tmp_path / "lib").iterdir()) == ["backbones", "detector"]
    shipped = {each.name for each in (tmp_path / "lib" / "detector" / "configs").iterdir()}
    assert shipped == {each.name for each in shipped_folder().iterdir() if each.suffix in {".yaml", ".safetensors"}}


def test_augmentation_library_stays_at_its_last_mit_release() -> None:
    assert "albumentations==2.0.8" in (requires("hoopoe") or [])
