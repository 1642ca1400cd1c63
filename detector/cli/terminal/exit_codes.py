"""What the exit codes of `hoopoe` say: how this run came out, whatever runs before it met."""

from __future__ import annotations

DONE, FAULTS, MENDABLE, DEFECT = range(4)
MEANINGS = {
    str(DONE): "all is done",
    str(FAULTS): "done, but some files could not be read or used, or faults were found: they are listed",
    str(MENDABLE): "an error that you can mend: it says what, where and how; what was finished is kept",
    str(DEFECT): "a defect of Hoopoe",
    "130, 143": "told to end (Ctrl-C; SIGTERM, as `docker stop` and Slurm send): the same command goes on from there",
}


def interrupted(signal: int) -> int:
    """The code of a run that a signal ended, as shells count it."""
    return 128 + signal
