"""What a folder of `hoopoe export-model` says of itself, and the checks before anything in it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from backbones.errors import CheckpointError
from detector.base.content_hash import sha256_of
from detector.base.files import MAX_TEXT_BYTES, read_bytes, write_bytes

EXPORT_FILE = "export.json"
_AGAIN = "export the model again"

Kind = Literal["detector", "classifier"]
RuntimeName = Literal["openvino", "onnx", "aot"]
ExportPrecision = Literal["fp32", "bf16", "int8"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FORMS: Mapping[RuntimeName, tuple[str, ...]] = {"openvino": (".xml", ".bin"), "onnx": (".onnx",), "aot": (".pt2",)}
# a name in the folder itself: no path can lead out of it
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}$")]


class Part(BaseModel):
    """A part of the network: its files and their hashes; see `FORMS`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: Annotated[dict[FileName, Sha256], Field(min_length=1, max_length=8)]


class Source(BaseModel):
    """The model that was exported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=1000)]
    sha256: Sha256 | None = None


class ExportManifest(BaseModel):
    """The content of export.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["hoopoe-export-1"] = "hoopoe-export-1"
    kind: Kind
    runtime: RuntimeName
    precision: ExportPrecision
    source: Source
    parts: dict[FileName, Part]
    model: dict[str, Any]
    """A detector's configuration; a classifier's classes, size and colours."""
    agreement: dict[str, Any] = Field(default_factory=dict)
    """What was measured beside the model in float32; empty: nothing was."""
    versions: dict[str, Annotated[str, Field(max_length=200)]] = Field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it into its folder, whole or not at all."""
        write_bytes(folder / EXPORT_FILE, (self.model_dump_json(indent=1) + "\n").encode())


def is_export(source: str | Path) -> bool:
    """Whether this is a folder of `hoopoe export-model`."""
    return (Path(source).expanduser() / EXPORT_FILE).is_file()


def read_manifest(folder: Path) -> ExportManifest:
    """What a folder says of itself; its parts are not looked at.

    Raises:
        CheckpointError: It says nothing, or nothing that this version understands.
    """
    file = folder / EXPORT_FILE
    data = read_bytes(file, max_bytes=MAX_TEXT_BYTES, what="export", error=CheckpointError)
    try:
        return ExportManifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        problem = f"this is no export of a model ({'.'.join(map(str, first['loc']))[:80]}: {first['msg'][:120]})"
        raise CheckpointError(problem, where=file, hint=f"{_AGAIN}, or update Hoopoe") from error


def part_file(folder: Path, manifest: ExportManifest, name: str) -> Path:
    """The file of a part to load, after all its files were found whole.

    Raises:
        CheckpointError: There is no such part; a file is missing, lies elsewhere, or is not what was exported.
    """
    if name not in manifest.parts:
        raise CheckpointError(f"the export has no part '{name}'", where=folder / EXPORT_FILE, hint=_AGAIN)
    files: Mapping[str, str] = manifest.parts[name].files
    by_suffix = {Path(each).suffix: each for each in files}
    if sorted(by_suffix) != sorted(FORMS[manifest.runtime]) or len({Path(each).stem for each in files}) != 1:
        problem = f"these are no files of a part for {manifest.runtime}: {', '.join(files)[:200]}"
        raise CheckpointError(problem, where=folder / EXPORT_FILE, hint=_AGAIN)
    for file_name, sha256 in files.items():
        path = folder / file_name
        if path.is_symlink() or not path.is_file():
            raise CheckpointError("this file of the export is missing", where=path, hint=f"copy it again, or {_AGAIN}")
        if sha256_of(path) != sha256:
            problem = "this file is not the one that was exported, or it is damaged"
            raise CheckpointError(problem, where=path, hint=f"copy it again, or {_AGAIN}")
    return folder / by_suffix[FORMS[manifest.runtime][0]]
