"""label-studio*.json and .xml: tasks with predictions, and the labelling interface, for Label Studio.

A project for photos: label-studio.xml as its labelling interface, then label-studio.json as its tasks. One for videos:
label-studio-videos.xml and label-studio-videos.json. Label Studio serves files from its own machine at
`/data/local-files/?d=PATH` when LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED is true, with PATH under
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT; the names here are those of the other exports, under the folder of all cards.
Where that is not the document root, give a prefix that ends with the folders between them. Blank files are tasks
without predicted boxes; what could not be read is no task.

Labels are the taxa, by scientific name, with English and Hebrew names as hints, and the kinds bird, animal, person and
vehicle. Sources: labelstud.io/guide/predictions, labelstud.io/tags/rectanglelabels, labelstud.io/guide/storage_local.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from detector.exports.files import whole_text
from detector.exports.json_stream import write_array
from detector.exports.label_studio.regions import FRAME_RATE, Labels, photo_regions, sureness, video_regions
from detector.exports.names import FileNames
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import with_offset
from detector.store.run_file import RunFile
from detector.types import MediaType


def write_label_studio(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write tasks and labelling interface of photos, and of videos where there are some."""
    labels = Labels()
    photos, videos = (folder / f"label-studio{part}.json" for part in ("", "-videos"))
    with whole_text(photos) as out:
        write_array(out, _tasks(source, options, labels, "photo"))
    paths = [photos, _write_interface(photos.with_suffix(".xml"), _photo_interface(labels))]
    if any(record.media_type == "video" for record in source.media()):
        with whole_text(videos) as out:
            write_array(out, _tasks(source, options, labels, "video"))
        paths += [videos, _write_interface(videos.with_suffix(".xml"), _video_interface(labels))]
    return paths


def _tasks(
    source: ExportSource, options: ExportOptions, labels: Labels, media_type: MediaType
) -> Iterator[dict[str, object]]:
    names = FileNames(source.run.cards)
    models = _model_version(source.run)
    for record in source.media():
        if record.media_type != media_type or record.failure is not None or not record.width or not record.height:
            continue
        shown = record.shown(options.score_threshold)
        name = names.of(record)
        regions = (photo_regions if media_type == "photo" else video_regions)(record, shown, labels)
        yield {
            "data": {
                "image" if media_type == "photo" else "video": options.label_studio_prefix + quote(name),
                "file": name,
                "media_id": record.media_id,
                "deployment": record.deployment_id,
                "sequence": record.sequence_id,
                "timestamp": with_offset(record.timestamp, record.utc_offset_min),
                "needs_review": any(found.needs_review for found in shown),
            },
            "predictions": [
                {
                    "model_version": models,
                    "score": min((sureness(found) for found in shown), default=1.0),
                    "result": regions,
                }
            ],
        }


def _model_version(run: RunFile) -> str:
    models = [entry.name for entry in (run.detector, run.species) if entry is not None]
    return " + ".join(models) or "unknown"


def _write_interface(path: Path, text: str) -> Path:
    with whole_text(path) as out:
        out.write(text)
    return path


def _label_tags(labels: Labels) -> str:
    tags = (
        f"    <Label value={quoteattr(label)}{f' hint={quoteattr(hint)}' if hint else ''}/>\n"
        for label, hint in labels.hints.items()
    )
    return "".join(tags)


def _photo_interface(labels: Labels) -> str:
    return (
        "<View>\n"
        '  <Image name="image" value="$image" zoom="true" zoomControl="true"/>\n'
        '  <RectangleLabels name="label" toName="image">\n'
        f"{_label_tags(labels)}"
        "  </RectangleLabels>\n"
        "</View>\n"
    )


def _video_interface(labels: Labels) -> str:
    return (
        "<View>\n"
        f'  <Video name="video" value="$video" framerate="{FRAME_RATE}"/>\n'
        '  <VideoRectangle name="box" toName="video"/>\n'
        '  <Labels name="label" toName="video" allowEmpty="true">\n'
        f"{_label_tags(labels)}"
        "  </Labels>\n"
        "</View>\n"
    )
