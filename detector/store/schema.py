"""The tables of the annotation store, as Arrow schemas: the contract between annotation, decisions and exports.

`FACTS` is what the models saw in one frame, independent of every other file. `MEDIA`, `DETECTIONS`, `EVENTS`,
`DEPLOYMENTS` and `EFFORT` are the decisions made of the facts; `REVIEWS` is what people said. Boxes are x, y, w, h:
left, top, width and height as shares of the upright picture, in 0..1.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

VERSION = 1
LOWEST_SCORE = 0.05  # detections are kept from here up; what views and exports show begins higher
FIRST_PASS, DETECTOR, AUDIT = SEEN_BY = ("first pass", "detector", "audit")  # values of seen_by
MOTION_GATE = "motion gate"  # beside FIRST_PASS a value of passed_over


def _column(name: str, kind: pa.DataType, description: str) -> pa.Field:
    """A column that may be null; its description stands in the files, where `pyarrow.parquet.read_schema` shows it."""
    return pa.field(name, kind, metadata={"description": description})


def _required(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return _column(name, kind, description).with_nullable(False)


# A box that the detector found in a frame; of FACTS, column `detections`.
FOUND_BOX = pa.struct(
    [
        _column("x", pa.float32(), "left edge, as a share of the picture's width, 0..1"),
        _column("y", pa.float32(), "upper edge, as a share of its height"),
        _column("w", pa.float32(), "width, as a share of the picture's width"),
        _column("h", pa.float32(), "height, as a share of its height"),
        _column(
            "label_scores",
            pa.list_(pa.float32()),
            "scores, one a category of the detector, in the order of run.json; 0: absent",
        ),
        _column(
            "track_id",
            pa.int32(),
            "its track within this video: boxes of one bird, animal, person or vehicle share it; null in photos",
        ),
        _column(
            "logits",
            pa.binary(),
            "the classifier's, float16 little-endian, one a class of run.json; null: not classified",
        ),
        _column(
            "embedding",
            pa.binary(),
            "the classifier's, float16 little-endian; null unless --embeddings asks for it",
        ),
        _column(
            "appearance",
            pa.binary(),
            "the box's pixels, grey, 8 x 8, row by row, uint8: 64 bytes; tells repeats apart",
        ),
    ]
)

# facts/part-*.parquet: what the models saw, a row a frame; a photo is one frame.
FACTS = pa.schema(
    [
        _required("media_id", pa.string(), "the media item: a hash of card and path"),
        _required("card", pa.string(), "the card's id, as in run.json"),
        _required("path", pa.string(), "under the card's root, with forward slashes"),
        _required("size_bytes", pa.int64(), "size of the file; 0: it was not there"),
        _column("content_hash", pa.string(), "of size, head, middle and tail; null where the file cannot be read"),
        _required("media_type", pa.string(), "photo or video"),
        _required("frame_number", pa.int32(), "counted from 0; 0 in photos and in failures"),
        _required("time_s", pa.float64(), "seconds from the start of the video; 0.0 in photos"),
        _column("width", pa.int32(), "of the upright original, pixels"),
        _column("height", pa.int32(), "of the upright original, pixels"),
        _column(
            "captured_at",
            pa.timestamp("ms"),
            "as the camera wrote it, without a zone; of a video its start; null: nowhere written",
        ),
        _column(
            "captured_from",
            pa.string(),
            "where that was written: exif, container or filename; null with captured_at",
        ),
        _column("modified_at", pa.timestamp("ms"), "when the file was last changed, as the computer's clock shows it"),
        _column("camera_model", pa.string(), "as the camera wrote it"),
        _column("frame_rate", pa.float32(), "of videos, frames a second"),
        _column("duration_s", pa.float64(), "of videos, seconds"),
        _column("failure", pa.string(), "why nothing could be seen; then detections is null, else it is a list"),
        _column("warning", pa.string(), "what was lost of a file that could be read in part"),
        _column("brightness", pa.float32(), "mean of the grey picture, 0..1"),
        _column("night", pa.bool_(), "taken in infrared light: a picture without colour"),
        _column("moved", pa.bool_(), "false: the motion gate passed over this frame, and no model saw it; else null"),
        _column(
            "seen_by",
            pa.string(),
            "`first pass`: it found nothing, and the detector did not look; `detector`: both looked; `audit`: the "
            "detector looked at what had been passed over; null: no first pass looked",
        ),
        _column(
            "detections",
            pa.list_(FOUND_BOX),
            "the boxes: those of `annotate` from 0.05 up, another tool's as it found them; empty: there are none",
        ),
    ]
)

# species/NAME/part-*.parquet: what `reclassify` saw in boxes that the facts hold already.
OVERLAY = pa.schema(
    [
        _required("media_id", pa.string(), "the media item"),
        _required("frame_number", pa.int32(), "its frame"),
        _required("box", pa.int32(), "index in the frame's detections among the facts"),
        _column("logits", pa.binary(), "the new classifier's, float16 little-endian, one a class"),
        _column("embedding", pa.binary(), "the new classifier's, float16 little-endian; null unless asked for"),
    ]
)

# A species that a bird may be; of DETECTIONS, column `candidates`.
CANDIDATE = pa.struct(
    [
        _column("name", pa.string(), "scientific name, or the class name where no taxonomy knows it"),
        _column("confidence", pa.float32(), "its probability, 0..1"),
    ]
)

# decisions/media.parquet: a row a media item, by card and path; in large stores by portions of deployments first.
MEDIA = pa.schema(
    [
        _required("media_id", pa.string(), "the media item: a hash of card and path"),
        _required("card", pa.string(), "the card's label where a person gave it one, else its id"),
        _required("path", pa.string(), "under the card's root, with forward slashes"),
        _required("media_type", pa.string(), "photo or video"),
        _column("width", pa.int32(), "of the upright original, pixels"),
        _column("height", pa.int32(), "of the upright original, pixels"),
        _column("frame_rate", pa.float32(), "of videos, frames a second"),
        _column("duration_s", pa.float64(), "of videos, seconds"),
        _column("frames", pa.list_(pa.int32()), "numbers of the sampled frames, rising; empty with a failure"),
        _column("failure", pa.string(), "why nothing could be seen"),
        _column("warning", pa.string(), "what was lost of a file that could be read in part, or why a time is none"),
        _column("night", pa.bool_(), "taken in infrared light, without colour; of a video most frames"),
        _column("captured_at", pa.timestamp("ms"), "as the camera wrote it, without a zone"),
        _column(
            "captured_from",
            pa.string(),
            "where that was written: exif, container or filename; mtime: the file's own, as nothing else is",
        ),
        _column("timestamp", pa.timestamp("ms"), "local time, after the clock's correction; null: unknown"),
        _column("utc_offset_min", pa.int16(), "minutes east of UTC at that moment; null: no zone is known"),
        _required("deployment_id", pa.string(), "the deployment it belongs to"),
        _required("visit_id", pa.string(), "the row of deployments.parquet it belongs to"),
        _required("sequence_id", pa.string(), "what it was taken with: a burst of photos, or one video"),
        _required("blank", pa.bool_(), "looked at or passed over, and no box of any kind above the threshold"),
        _column("duplicate_of", pa.string(), "media_id of the same file seen earlier"),
        _required("outside", pa.bool_(), "outside its deployment's period: in no event and no effort"),
        _column(
            "passed_over",
            pa.string(),
            "why the detector saw nothing of it: `first pass` found nothing, or `motion gate`; null: it saw it",
        ),
        _column("blank_by", pa.string(), "the person who looked and said that nothing is in the file; null: nobody"),
        _column("blank_at", pa.timestamp("ms"), "when that was said, UTC"),
    ]
)

# decisions/detections.parquet: a row a box of the facts, in the order of MEDIA.
DETECTIONS = pa.schema(
    [
        _required("media_id", pa.string(), "the media item"),
        _required("frame_number", pa.int32(), "its frame, counted from 0"),
        _required("time_s", pa.float64(), "seconds from the start of the video; 0.0 in photos"),
        _required(
            "box",
            pa.int32(),
            "index in the frame's detections among the facts; from 1,000,000 up a box that a person drew",
        ),
        _required("x", pa.float32(), "left edge, as a share of the picture's width, 0..1"),
        _required("y", pa.float32(), "upper edge, as a share of its height"),
        _required("w", pa.float32(), "width, as a share of the picture's width"),
        _required("h", pa.float32(), "height, as a share of its height"),
        _required("score", pa.float32(), "how sure the detector is, 0..1; 1 of a box that a person drew"),
        _required(
            "label", pa.string(), "the detector's category with the highest score; of a box that a person drew `drawn`"
        ),
        _required(
            "kind",
            pa.string(),
            "bird, animal (not a bird), uncertain (an animal, maybe a bird), person, vehicle, blank (not "
            "counted) or undecided (nobody knows the label)",
        ),
        _column("individual_id", pa.string(), "boxes linked through a video or a burst share it"),
        _column("event_id", pa.string(), "the event it counts in; null: in none"),
        _column("repeat_group", pa.string(), "suspicious repeats of one thing share it"),
        _required("suppressed", pa.bool_(), "does not count: a repeat, or a review or label says that it is nothing"),
        _column(
            "name",
            pa.string(),
            "scientific name of the taxon, or the class name where no taxonomy knows it; of birds, and of "
            "animals that a person named",
        ),
        _column("rank", pa.string(), "species, genus, family, order or class; null: not named"),
        _column("english_name", pa.string(), "of the taxon"),
        _column("hebrew_name", pa.string(), "of the taxon, where your taxonomy gives it"),
        _column("ebird_code", pa.string(), "of the species"),
        _required("display_name", pa.string(), "what to show: 'unidentified wheatear (Oenanthe sp.)', 'person'"),
        _column(
            "confidence",
            pa.float32(),
            "probability that the name is right, 0..1: the classifier's, with its local list, as "
            "--calibration made it fit; of a detector of species that is alone, its score; 1 where a person "
            "named it; null without a name",
        ),
        _column("species_score", pa.float32(), "the detector's and the classifier's scores in one, 0..1"),
        _column("candidates", pa.list_(CANDIDATE), "the three likeliest species, falling"),
        _column("reasons", pa.list_(pa.string()), "why it is unsure: too small, too dark, classes disagree ..."),
        _required("needs_review", pa.bool_(), "a person should look at it"),
        _column("reviewed_by", pa.string(), "the person whose word this row is; null: nobody's"),
        _required("nested", pa.bool_(), "another box of the frame stands for this bird when counted"),
        _required(
            "count",
            pa.int32(),
            "individuals that the box stands for at once: 1; 0 if another box stands for it; as many as a person said",
        ),
        _column("sex", pa.string(), "female or male, as a person said"),
        _column("life_stage", pa.string(), "adult, subadult or juvenile, as a person said"),
        _column("box_by", pa.string(), "the person who drew the box, or moved it; null: it is the detector's"),
        _column("reviewed_at", pa.timestamp("ms"), "when the word of reviewed_by was said, UTC"),
    ]
)

# decisions/events.parquet: independent events, sorted by deployment and start.
EVENTS = pa.schema(
    [
        _required("event_id", pa.string(), "the event"),
        _required("deployment_id", pa.string(), "where it was"),
        _required("visit_id", pa.string(), "the row of deployments.parquet in which it began"),
        _required("kind", pa.string(), "as in detections.parquet"),
        _column("name", pa.string(), "as in detections.parquet"),
        _column("rank", pa.string(), "as in detections.parquet"),
        _required("display_name", pa.string(), "as in detections.parquet"),
        _required("start", pa.timestamp("ms"), "local time of its first detection"),
        _required("end", pa.timestamp("ms"), "local time of its last detection"),
        _column("utc_offset_min", pa.int16(), "minutes east of UTC at the start; null: no zone is known"),
        _column("end_offset_min", pa.int16(), "minutes east of UTC at the end: clocks may change meanwhile"),
        _required("count", pa.int32(), "MaxN: the most seen at once in one frame"),
        _required("detections", pa.int32(), "boxes in it"),
        _required("media", pa.int32(), "files that show it"),
        _column("confidence", pa.float32(), "the highest of its detections"),
    ]
)

# decisions/repeats.parquet: what stands in many pictures of a camera, for a person to judge.
REPEATS = pa.schema(
    [
        _required("repeat_group", pa.string(), "media_id:frame:box of its first box"),
        _required("deployment_id", pa.string(), "where it stands"),
        _required("x", pa.float32(), "of its first box: left edge, as a share of the picture's width, 0..1"),
        _required("y", pa.float32(), "of its first box: upper edge, as a share of its height"),
        _required("w", pa.float32(), "of its first box: width, as a share of the picture's width"),
        _required("h", pa.float32(), "of its first box: height, as a share of its height"),
        _required("label", pa.string(), "the detector's category with the highest score, of most boxes"),
        _required("boxes", pa.int32(), "how many boxes it has"),
        _required("media", pa.int32(), "files that show it"),
        _column("first", pa.timestamp("ms"), "local time of the first; null where no time is known"),
        _column("last", pa.timestamp("ms"), "local time of the last"),
        _required("suppressed", pa.bool_(), "false: all its boxes count, as a person or the classifier says"),
        _column("reviewed_by", pa.string(), "the person who judged it; null: nobody"),
        _required("left_out", pa.int32(), "how many of its boxes do not count"),
        _required("card", pa.string(), "of the file of its first box"),
        _required("path", pa.string(), "of the file of its first box"),
    ]
)

# Days without a camera; of EFFORT, column `gaps`.
GAP = pa.struct(
    [
        _column("start", pa.date32(), "the first day"),
        _column("end", pa.date32(), "the last day"),
    ]
)

# decisions/effort.parquet: how long the cameras of each deployment watched, blanks included; sorted.
EFFORT = pa.schema(
    [
        _required("deployment_id", pa.string(), "the deployment"),
        _column(
            "start",
            pa.timestamp("ms"),
            "local time, by the table of deployments, else the first file; null: unknown",
        ),
        _column(
            "end",
            pa.timestamp("ms"),
            "local time, by the table of deployments, else the last file; null: unknown",
        ),
        _required("days", pa.int32(), "of its visits, each once a camera; 0 without times"),
        _required("active_days", pa.int32(), "days less those in gaps"),
        _required("days_with_files", pa.int32(), "days on which a file was taken"),
        _required(
            "gaps",
            pa.list_(GAP),
            "days between start and end on which no camera watched: between visits, and without any file for too long",
        ),
        _required("media", pa.int32(), "files"),
        _required("photos", pa.int32(), "of these, photos"),
        _required("videos", pa.int32(), "of these, videos"),
        _required("blank", pa.int32(), "of these, blank ones"),
        _required("failed", pa.int32(), "of these, unreadable ones"),
        _required("without_time", pa.int32(), "of these, those whose time is unknown"),
        _required("outside", pa.int32(), "files outside the stated period, which count in no event"),
        _required("passed_over", pa.int32(), "of the blank ones, those that the detector did not look at"),
    ]
)

# decisions/deployments.parquet: each camera's time at its place, a row a visit that has media.
DEPLOYMENTS = pa.schema(
    [
        _required("visit_id", pa.string(), "unique: the deployment's for its first row, then X-2, X-3"),
        _required("deployment_id", pa.string(), "the deployment"),
        _required("listed", pa.bool_(), "false: told from the folder, no table lists it"),
        _column("location_name", pa.string(), "the place; camtrapR's Station"),
        _column("latitude", pa.float64(), "degrees north"),
        _column("longitude", pa.float64(), "degrees east"),
        _column("start", pa.timestamp("ms"), "local time, by the table, else the first file"),
        _column("start_offset_min", pa.int16(), "minutes east of UTC then"),
        _column("end", pa.timestamp("ms"), "local time, by the table, else the last file"),
        _column("end_offset_min", pa.int16(), "minutes east of UTC then"),
        _column("camera_model", pa.string(), "by the table, else as the camera wrote it"),
        _column("kind", pa.string(), "of place: feeder, water, nest ..."),
        _column("time_zone", pa.string(), "IANA name, or +HH:MM"),
        _column(
            "details",
            pa.map_(pa.string(), pa.string()),
            "other columns of Camtrap DP, as the table gives them; captureMethod also where times show a time-lapse",
        ),
    ]
)

TABLES = {  # of decisions
    "media": MEDIA,
    "detections": DETECTIONS,
    "events": EVENTS,
    "repeats": REPEATS,
    "effort": EFFORT,
    "deployments": DEPLOYMENTS,
}

# reviews/*.parquet: what people said. Only ever added to; the latest word on a box or a group wins.
REVIEWS = pa.schema(
    [
        _required("reviewed_at", pa.timestamp("ms"), "UTC"),
        _required("reviewer", pa.string(), "who said it"),
        _column("media_id", pa.string(), "the media item; null with repeat_group or withdraws"),
        _column("frame_number", pa.int32(), "its frame; null: all frames of the item"),
        _column(
            "box",
            pa.int32(),
            "index among the facts; from 1,000,000 up one that a person drew; null: all boxes of the frame",
        ),
        _column("repeat_group", pa.string(), "in place of an item: all boxes of a group of repeats"),
        _required(
            "verdict",
            pa.string(),
            "named, bird, animal, person, vehicle, nothing, real (no repeat), noted (only what stands in the columns "
            "sex to h), or withdrawn",
        ),
        _column(
            "name",
            pa.string(),
            "with the verdict named: scientific or class name; with noted: of what there are so many",
        ),
        _column("comment", pa.string(), "as the person wrote it"),
        _column("sex", pa.string(), "female or male"),
        _column("life_stage", pa.string(), "adult, subadult or juvenile"),
        _column("count", pa.int32(), "how many individuals the box stands for, or are in the frame or file at once"),
        _column(
            "x", pa.float32(), "of a box that the person drew or moved: left edge, as a share of the picture's width"
        ),
        _column("y", pa.float32(), "its upper edge, as a share of the picture's height"),
        _column("w", pa.float32(), "its width, as a share of the picture's width"),
        _column("h", pa.float32(), "its height, as a share of the picture's height"),
        _column("said_id", pa.string(), "what was said in one go has it in common; null: said by an earlier version"),
        _column("withdraws", pa.string(), "with the verdict withdrawn: the said_id of what is taken back"),
    ]
)


def pack_vector(values: NDArray[np.floating]) -> bytes:
    """Logits or an embedding as the store holds them: float16, little-endian; what is too large becomes the largest."""
    largest = np.finfo(np.float16).max
    return np.clip(values, -largest, largest).astype("<f2").tobytes()
