"""Training on two hosts: as on one, and an end in words on both when one of them goes."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from detector.models.saving import read_detector
from detector.training.run import train_detector
from tests.detector.training.conftest import SETTINGS
from tests.detector.training.machines.hosts import PORT, ROOT, TRAIN, Network, Started, meeting
from tests.detector.training.test_resume import OF_TWO
from tests.detector.training.test_two_processes import SCRIPT

pytestmark = pytest.mark.slow

WORDS = (
    *("tiny.yaml", "--accelerator", "cpu", "--output", "run"),
    *("--train-annotations", "data/train.json", "--train-images", "data/images"),
    *("--val-annotations", "data/val.json", "--val-images", "data/images"),
)
SETTINGS_OF_TWO = ("--set", *OF_TWO)
WITHIN_S = 60.0
SILENT = "its machine is down, or the network between is cut"


@pytest.fixture
def network(tmp_path: Path, drawn_set: Path) -> Iterator[Network]:
    """Two hosts without a common folder, each with the data and the configuration."""
    made = Network(tmp_path)
    furnish(made, drawn_set)
    yield made
    made.close()


def furnish(network: Network, data: Path) -> None:
    for host in network.hosts:
        shutil.copytree(data, host.folder / "data")
        (host.folder / "tiny.yaml").write_text(SETTINGS)


@pytest.fixture(scope="module")
def whole(drawn_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes on one host that was never stopped."""
    folder = tmp_path_factory.mktemp("one")
    shutil.copytree(drawn_set, folder / "data")
    (folder / "tiny.yaml").write_text(SETTINGS)
    assert on_one_host(folder, "--devices", "2", *SETTINGS_OF_TWO) == 0
    return folder / "run"


def on_one_host(folder: Path, *words: str) -> int:
    """The exit code of a run on this machine."""
    import subprocess
    import sys

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *TRAIN, *WORDS, *words], cwd=folder, env=environment, check=False).returncode


def assert_equal(run: Path, other: Path, differing: Callable[[Path, Path], list[str]]) -> None:
    assert differing(run, other) == []
    first, second = (read_detector(each / "best.safetensors")[0] for each in (run, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def assert_all_end_in_words(runs: list[Started], since: float, killed: int | None, *sentences: str) -> None:
    for number, run in enumerate(runs):
        code = run.end()
        if number == killed:
            continue
        assert code not in (0, -signal.SIGKILL)
        for sentence in sentences:
            assert run.said.count(sentence) == 1, run.said
        assert "--resume" in run.said
        assert "Traceback" not in run.said
        assert run.ended_at is not None
        print(f"host {number} ended {run.ended_at - since:.1f} s after")
        assert run.ended_at - since < WITHIN_S


def test_two_hosts_train_as_two_processes_of_one_bit_for_bit(network, whole, differing) -> None:
    runs = meeting(network, [*WORDS, *SETTINGS_OF_TWO])
    assert [run.end() for run in runs] == [0, 0], "".join(run.said for run in runs)
    assert_equal(whole, network.first.folder / "run", differing)
    assert not (network.second.folder / "run").exists(), "the first host alone writes"


def test_two_hosts_take_the_steps_of_one_process(network, make_request, metrics_of, monkeypatch) -> None:
    """To 1e-5 of each weight: sums are taken in another order."""
    settings = (
        *("model.backbone=biformer_nano", "model.batch_norm=frozen", "model.drop_path=0.0", "train.lr=1e-3"),
        *("data.augmentation.scale=[1, 1]", "train.epochs=2", "train.ema_decay=null"),
    )
    monkeypatch.setattr(torch, "randperm", lambda count, **options: torch.arange(count))
    one = make_request("one", *settings)
    train_detector(one)
    runs = []
    for number, host in enumerate(network.hosts):
        (host.folder / "two.py").write_text(SCRIPT)
        where = ("--nodes", "2", "--node-rank", str(number), "--rendezvous", f"{network.first.address}:{PORT}")
        runs.append(host.start("two.py", "train", *WORDS, *where, "--set", *settings))
    assert [run.end() for run in runs] == [0, 0], "".join(run.said for run in runs)
    run = network.first.folder / "run"
    before, after = (torch.load(each / "checkpoints/last.pt")["model"] for each in (one.output, run))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=1e-5, atol=1e-5)
    assert metrics_of(one.output, "evaluation") == metrics_of(run, "evaluation")


@pytest.mark.parametrize("host", [0, 1])
def test_a_killed_process_ends_all_and_the_resumed_run_equals_the_whole(host, network, whole, differing) -> None:
    runs = meeting(network, [*WORDS, *SETTINGS_OF_TWO])
    runs[0].await_steps(random.SystemRandom().randint(1, 4))
    since = time.monotonic()
    runs[host].kill()
    sentence = f"process {host} on {network.hosts[host].name} has ended without a word"
    assert_all_end_in_words(runs, since, host, sentence)
    runs = meeting(network, [*WORDS, "--resume", *SETTINGS_OF_TWO])
    assert [run.end() for run in runs] == [0, 0], "".join(run.said for run in runs)
    assert_equal(whole, network.first.folder / "run", differing)


def test_a_cut_network_ends_both_and_one_host_goes_on_alone(network, whole, differing, capfd) -> None:
    runs = meeting(network, [*WORDS, *SETTINGS_OF_TWO])
    runs[0].await_steps(3)
    since = time.monotonic()
    network.second.cut(network.first)
    with capfd.disabled():
        assert_all_end_in_words(runs, since, None, SILENT)
    folder = network.first.folder
    shutil.copytree(folder, folder.with_name("alone"))
    assert on_one_host(folder, "--resume", "--devices", "2", *SETTINGS_OF_TWO) == 0
    assert_equal(whole, folder / "run", differing)
    assert on_one_host(folder.with_name("alone"), "--resume", *SETTINGS_OF_TWO) == 0  # one process, as many images
    assert "the run had 2 processes and goes on with 1: 4 images a step as before" in capfd.readouterr().err
    resumed = torch.load(folder.with_name("alone") / "run/checkpoints/last.pt")
    assert resumed["position"] | {"best": None} == torch.load(whole / "checkpoints/last.pt")["position"] | {
        "best": None
    }
    assert resumed["resolved"]["train"]["batch_size"] == 4


def test_a_cut_between_two_hosts_of_which_neither_is_the_first_ends_all(tmp_path, drawn_set, capfd) -> None:
    network = Network(tmp_path, hosts=3)
    try:
        furnish(network, drawn_set)
        settings = ("--set", "train.epochs=300", "train.batch_size=3")
        runs = meeting(network, [*WORDS, *settings])
        runs[0].await_steps(3)
        since = time.monotonic()
        network.hosts[1].cut(network.hosts[2])
        with capfd.disabled():
            assert_all_end_in_words(runs, since, None, "was not heard of for 40 s by process", SILENT)
    finally:
        network.close()


def test_torchrun_joins_two_hosts_and_ends_in_words(network, whole, differing) -> None:
    def start(*words: str) -> list[Started]:
        torchrun = ("-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1")
        meet = ("--master-addr", network.first.address, "--master-port", str(PORT))
        script = str(ROOT / "tools/train_det.py")
        return [
            host.start(*torchrun, "--node-rank", str(number), *meet, script, *WORDS, *words, *SETTINGS_OF_TWO)
            for number, host in enumerate(network.hosts)
        ]

    runs = start()
    runs[0].await_steps(2)
    since = time.monotonic()
    runs[1].kill()
    for run in runs:
        run.end()
    sentence = "process 1 on node-b has ended without a word"
    assert runs[0].said.count(sentence) == 1, runs[0].said
    assert runs[0].ended_at is not None
    print(f"torchrun of the other host ended {runs[0].ended_at - since:.1f} s after")
    assert runs[0].ended_at - since < WITHIN_S
    runs = start("--resume")
    assert [run.end() for run in runs] == [0, 0], "".join(run.said for run in runs)
    assert_equal(whole, network.first.folder / "run", differing)


@pytest.mark.parametrize("devices", [1, 2])
def test_slurms_tasks_find_each_other(devices, network) -> None:
    """One task a host, which starts its own processes; Slurm is played by its variables."""
    job = {"SLURM_JOB_ID": "77", "SLURM_STEP_NODELIST": network.first.address, "SLURM_STEP_NUM_TASKS": "2"}
    runs = []
    for number, host in enumerate(network.hosts):
        own = {"SLURM_STEP_NUM_NODES": "2", "SLURM_NODEID": str(number), "SLURM_PROCID": str(number)}
        words = (*WORDS, "--devices", str(devices), "--set", "train.epochs=1")
        runs.append(host.start(*TRAIN, *words, env=job | own | {"SLURM_LOCALID": "0", "SLURM_NTASKS": "2"}))
    assert [run.end() for run in runs] == [0, 0], "".join(run.said for run in runs)
    assert f"fp32 on {2 * devices} x cpu" in runs[0].said
    assert "done: the detector is" in runs[0].said
    assert "done: the detector is" not in runs[1].said


def test_hosts_with_other_annotations_or_settings_are_refused(network) -> None:
    shutil.copy(network.second.folder / "data/val.json", network.second.folder / "data/train.json")
    runs = meeting(network, [*WORDS])
    assert [run.end() for run in runs] == [2, 2]
    for run in runs:
        assert "would not train alike: the annotations' fingerprint" in run.said


def test_what_is_refused_on_one_host_is_told_on_the_other(network) -> None:
    (network.second.folder / "data/train.json").write_text('{"images": []}')
    runs = meeting(network, [*WORDS])
    assert [run.end(120) for run in runs] == [2, 2]
    assert "process 1 on node-b has failed: " in runs[0].said
    assert "train.json" in runs[0].said
    assert "train.json" in runs[1].said
    assert not (network.first.folder / "run").exists()


def test_a_run_is_not_begun_anew_where_its_folder_is_on_the_other_host(network, finished) -> None:
    shutil.copytree(finished, network.second.folder / "run")
    runs = meeting(network, [*WORDS, "--resume", "--set", "train.epochs=3"])
    assert [run.end() for run in runs] == [2, 2]
    assert "the run to go on with lies on node-b, and not on the first machine" in runs[0].said
    assert not (network.first.folder / "run").exists()


def test_nobody_at_the_rendezvous_is_waited_for_in_words(network) -> None:
    where = ("--nodes", "2", "--node-rank", "0", "--rendezvous", f"192.0.2.7:{PORT}")
    lost = network.first.start(*TRAIN, *WORDS, *where)
    assert lost.end() == 2
    assert "no way to the first machine, 192.0.2.7" in lost.said
