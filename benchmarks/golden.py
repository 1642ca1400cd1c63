"""What the demo's card comes to, a hash a file: the same before and after a change that must change nothing.

    python -m benchmarks.golden before.json        # on the old code
    python -m benchmarks.golden after.json --against before.json

`hoopoe demo` must have run. Left out is what names a moment, a path or a version: nothing else may differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

FORMATS = (
    "megadetector,csv,xlsx,events,coco,coco-camera-traps,camtrap-dp,label-studio,crops,images"  # videos: encoders vary
)
PASSING = re.compile(r"^(created|started|finished|written|updated|date_created|versions?|run_id|path|root)", re.I)
INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def lasting(value: Any, folder: str, today: str) -> Any:
    """JSON without moments of today, paths of the machine, and versions."""
    if isinstance(value, dict):
        value = {**value, "modified_at": None} if "modified_at" in value else value  # when the card was drawn
        return {key: lasting(each, folder, today) for key, each in sorted(value.items()) if not PASSING.match(str(key))}
    if isinstance(value, (list, tuple)):
        return [lasting(each, folder, today) for each in value]
    if isinstance(value, str):
        return INSTANT.sub(lambda match: "NOW" if match[0].startswith(today) else match[0], value.replace(folder, ""))
    return value


def file_hash(path: Path, folder: str, today: str) -> str:
    """A hash of what a file says."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        rows = sorted(json.dumps(lasting(row, folder, today), default=str) for row in table.to_pylist())
        content = "\n".join([table.schema.remove_metadata().to_string(show_field_metadata=False), *rows]).encode()
    elif path.suffix == ".json":
        content = json.dumps(lasting(json.loads(path.read_text()), folder, today), sort_keys=True).encode()
    elif path.suffix == ".xlsx":
        import openpyxl

        sheets = openpyxl.load_workbook(path, read_only=True)
        content = repr([[sheet.title, *sheet.iter_rows(values_only=True)] for sheet in sheets]).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def outputs(demo: Path, out: Path) -> None:
    """Annotate the demo's card with the demo's models, decide, and export."""
    words = ["annotate", demo / "card", "--output", out, "--detector", demo / "detector" / "best.safetensors"]
    words += ["--species", demo / "species.safetensors", "--calibration", demo / "calibration.json"]
    words += ["--precision", "fp32", "--batch-size", 1, "--export", FORMATS]  # batches fill by time: 1 is always 1
    ended = subprocess.run([sys.executable, "-m", "detector.cli.main", *map(str, words)], check=False)
    if ended.returncode not in (0, 1):  # 1: the card has a torn file
        raise SystemExit(ended.returncode)


def hashes(out: Path) -> Iterator[tuple[str, str]]:
    """Each file of a store with its hash."""
    from datetime import UTC, datetime

    today = datetime.now(UTC).date().isoformat()
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        if not path.name.endswith("lock"):
            yield path.relative_to(out).as_posix(), file_hash(path, str(out), today)


def main() -> None:
    """Write the hashes, or say what differs from earlier ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "OUT"
        outputs(args.demo.resolve(), out)
        found = dict(hashes(out))
    args.manifest.write_text(json.dumps(found, indent=1))
    if args.against:
        before = json.loads(args.against.read_text())
        differing = sorted(name for name in found.keys() | before.keys() if found.get(name) != before.get(name))
        print(f"{len(found)} files, {len(differing)} differ", *differing, sep="\n")
        raise SystemExit(bool(differing))


if __name__ == "__main__":
    main()
