"""Which processes are on which machine, and what is refused."""

import socket
import sys
from datetime import timedelta

import pytest

from backbones.errors import ConfigError, HoopoeError
from detector.cli.main import main
from detector.training.machines import interfaces, placing
from detector.training.machines.placing import Meeting, Placement, is_first_process, meet, placement

RANKS = {"RANK": "5", "GROUP_RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
TORCHRUN = RANKS | {"TORCHELASTIC_RUN_ID": "none"}
JOB = {"SLURM_JOB_ID": "4711234", "SLURM_STEP_NODELIST": "gpu[07-09]"}
A_TASK_EACH = JOB | {
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_PROCID": "1",
    "SLURM_NODEID": "1",
    "SLURM_LOCALID": "0",
}
TASKS = A_TASK_EACH | {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "6", "SLURM_LOCALID": "2"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Placement(2, 1)),
        ({"NODE_RANK": "1"}, Placement(2, 1, 1)),
        (TORCHRUN, Placement(4, 2, 1, launched=True)),
        (A_TASK_EACH, Placement(2, 2, 1)),
        (TASKS, Placement(4, 2, 1, launched=True)),
        (TASKS | {"SLURM_STEP_NUM_TASKS": "1"}, Placement(2, 1)),  # a shell, or a batch script, in a job
    ],
)
def test_processes_are_where_options_torchrun_and_srun_say(environment, expected) -> None:
    assert placement(2, 1, environment) == expected


def test_machines_with_other_numbers_of_processes_are_refused() -> None:
    with pytest.raises(ConfigError, match="torchrun has 7 processes, not equally many"):
        placement(1, 1, TORCHRUN | {"WORLD_SIZE": "7"})
    with pytest.raises(ConfigError, match="srun has 7 processes"):
        placement(1, 1, TASKS | {"SLURM_STEP_NUM_TASKS": "7"})


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        (TORCHRUN, False),
        (TORCHRUN | {"RANK": "0"}, True),
        (TASKS, False),
        (A_TASK_EACH | {"SLURM_PROCID": "0"}, True),
        (A_TASK_EACH | {"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # started by the task
    ],
)
def test_one_process_speaks(environment, first) -> None:
    assert is_first_process(environment) == first


def test_options_are_put_where_fabric_looks() -> None:
    environment: dict[str, str] = {}
    assert meet(4, Meeting(2, 1, "node01:29500"), environment) == Placement(4, 2, 1)
    assert environment == {"NODE_RANK": "1", "MASTER_ADDR": "node01", "MASTER_PORT": "29500"}
    assert meet(4, Meeting(2), environment) == Placement(4, 2, 1)  # again, as the variables say now
    environment = {}
    meet(1, Meeting(2, 0, "[fd00::1]:5"), environment)
    assert environment["MASTER_ADDR"] == "fd00::1"
    environment = {}
    assert meet(1, Meeting(), environment) == Placement(1, 1)
    assert environment == {}


def test_slurms_machines_meet_at_the_first_one_by_a_port_of_the_job() -> None:
    environment = dict(TASKS)
    assert meet(1, Meeting(), environment) == Placement(4, 2, 1, launched=True)
    names = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK")
    assert [environment[name] for name in names] == ["gpu07", "16234", "1", "2"]
    environment = A_TASK_EACH | {"MASTER_PORT": "9999"}
    meet(4, Meeting(2), environment)
    assert (environment["MASTER_PORT"], "LOCAL_RANK" in environment) == ("9999", False)


@pytest.mark.parametrize(
    ("meeting", "environment", "problem"),
    [
        (Meeting(2), {}, "nothing says which of them this is"),
        (Meeting(2, 1), {}, "nothing says where they meet"),
        (Meeting(2, 2, "a:1"), {}, "no machine number 2"),
        (Meeting(2), {"NODE_RANK": "x", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, "no machine number x"),
        (Meeting(2, 0, "node01"), {}, "HOST:PORT is expected, not 'node01'"),
        (Meeting(2, 0, "node01:70000"), {}, "HOST:PORT is expected"),
        (Meeting(1, 0), {}, "a run on one machine"),
        (Meeting(1, None, "a:1"), {}, "a run on one machine"),
        (Meeting(2, 0, "a:1"), TORCHRUN, "torchrun has started this process"),
        (Meeting(3), TORCHRUN, "torchrun has 2 machines, not 3"),
        (Meeting(3), TASKS, "srun has 2 machines, not 3"),
    ],
)
def test_what_does_not_go_together_is_refused(meeting, environment, problem) -> None:
    with pytest.raises(ConfigError, match=problem):
        meet(1, meeting, dict(environment))


def test_the_command_says_what_several_machines_need(tmp_path, capsys) -> None:
    (tmp_path / "train.json").write_text("{}")
    words = ["train", "nano", "--train-annotations", str(tmp_path / "train.json"), "--train-images", str(tmp_path)]
    assert main([*words, "--output", str(tmp_path / "run"), "--nodes", "2"]) == 2
    said = capsys.readouterr().err
    assert "nothing says which of them this is" in said
    assert "--rendezvous FIRST_HOST:29500" in said


@pytest.mark.skipif(sys.platform != "linux", reason="interfaces are told by Linux")
def test_gloo_gets_the_network_in_which_the_first_machine_is(monkeypatch) -> None:
    assert interfaces.interface_of("127.0.0.1") == "lo"
    assert interfaces.interface_of("192.0.2.7") is None
    assert interfaces.interface_of("::1") is None
    monkeypatch.setenv(interfaces.GLOO, "mine")
    interfaces.choose_interface("127.0.0.1")
    assert interfaces.os.environ[interfaces.GLOO] == "mine"
    monkeypatch.delenv(interfaces.GLOO)
    interfaces.choose_interface("127.0.0.1")
    assert interfaces.os.environ[interfaces.GLOO] == "lo"


def test_a_host_that_nobody_knows_is_named(monkeypatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(HoopoeError, match="no way to the first machine, node09 "):
        interfaces.choose_interface("node09")


def test_the_first_machine_has_the_address_and_a_free_port() -> None:
    from detector.training.machines.meeting import refuse_unfit

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="port cannot be had"):
        refuse_unfit("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ConfigError, match="has no such address"):
        refuse_unfit("192.0.2.7", 29500)


def test_torchruns_variables_are_those_that_fabric_looks_for() -> None:
    from lightning_fabric.plugins.environments import TorchElasticEnvironment

    with pytest.MonkeyPatch.context() as patch:
        for name, value in TORCHRUN.items():
            patch.setenv(name, value)
        assert TorchElasticEnvironment.detect()
        assert placing.is_torchrun()


def test_a_machine_that_does_not_come_is_not_waited_for_for_ever(monkeypatch, capsys) -> None:
    from detector.training import devices
    from detector.training.machines.meeting import start_processes

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name, value in (("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", str(port)), ("NODE_RANK", "0")):
        monkeypatch.setenv(name, value)
    for name in ("LOCAL_RANK", "WORLD_SIZE", interfaces.GLOO):
        monkeypatch.setenv(name, "")  # so that what Fabric sets is taken back
        monkeypatch.delenv(name)
    monkeypatch.setattr(devices, "MEETING", timedelta(seconds=1))
    with pytest.raises(HoopoeError, match=r"the 2 machines have not found each other .*1/2 clients joined"):
        start_processes(devices.make_fabric("cpu", Placement(1, 2), "fp32"), Placement(1, 2))
    assert "waiting for the others at 127.0.0.1" in capsys.readouterr().err
