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

FOUND_BOX = pa.struct(
    [
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("w", pa.float32()),
        ("h", pa.float32()),
        ("label_scores", pa.list_(pa.float32())),  # one a category of the detector, in the order of run.json; 0: absent
        ("track_id", pa.int32()),  # within this video; null in photos
        ("logits", pa.binary()),  # the classifier's, float16 little-endian, one a class of run.json; null: unclassified
        ("embedding", pa.binary()),  # float16 little-endian; null unless asked for
        ("appearance", pa.binary()),  # the box's pixels, grey, 8 x 8, row by row, uint8: 64 bytes
    ]
)

FACTS = pa.schema(
    [
        pa.field("media_id", pa.string(), nullable=False),
        pa.field("card", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # under the card's root, forward slashes
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("content_hash", pa.string()),  # of size, head, middle and tail; null where the file cannot be read
        pa.field("media_type", pa.string(), nullable=False),  # photo | video
        pa.field("frame_number", pa.int32(), nullable=False),  # 0 in photos and in failures
        pa.field("time_s", pa.float64(), nullable=False),  # from the start of the video; 0.0 in photos
        pa.field("width", pa.int32()),  # of the upright original, pixels
        pa.field("height", pa.int32()),
        pa.field("captured_at", pa.timestamp("ms")),  # as the camera wrote it, without a zone; of the video's start
        pa.field("captured_from", pa.string()),  # exif | container | filename; null with captured_at
        pa.field("modified_at", pa.timestamp("ms")),  # when the file was last changed, as the computer's clock shows it
        pa.field("camera_model", pa.string()),
        pa.field("frame_rate", pa.float32()),  # videos only, frames a second
        pa.field("duration_s", pa.float64()),  # videos only
        pa.field("failure", pa.string()),  # why nothing could be seen; then detections is null, else it is a list
        pa.field("warning", pa.string()),  # what was lost of a file that could be read in part
        pa.field("brightness", pa.float32()),  # mean of the grey picture, 0..1
        pa.field("night", pa.bool_()),  # taken in infrared light: a picture without colour
        pa.field("moved", pa.bool_()),  # false: the motion gate passed over this frame, no model saw it; else null
        pa.field("detections", pa.list_(FOUND_BOX)),
    ]
)

OVERLAY = pa.schema(  # species/NAME/part-*.parquet: what `reclassify` saw in boxes that the facts hold already
    [
        pa.field("media_id", pa.string(), nullable=False),
        pa.field("frame_number", pa.int32(), nullable=False),
        pa.field("box", pa.int32(), nullable=False),  # index in the frame's detections
        pa.field("logits", pa.binary()),
        pa.field("embedding", pa.binary()),
    ]
)

CANDIDATE = pa.struct([("name", pa.string()), ("confidence", pa.float32())])

# decisions/media.parquet: a row a media item, by card and path; in large stores by portions of deployments and then so
MEDIA = pa.schema(
    [
        pa.field("media_id", pa.string(), nullable=False),
        pa.field("card", pa.string(), nullable=False),  # its label, where a person gave it one
        pa.field("path", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("frame_rate", pa.float32()),
        pa.field("duration_s", pa.float64()),
        pa.field("frames", pa.list_(pa.int32())),  # numbers of the frames that were looked at, rising
        pa.field("failure", pa.string()),
        pa.field("warning", pa.string()),
        pa.field("night", pa.bool_()),
        pa.field("captured_at", pa.timestamp("ms")),  # as the camera wrote it
        pa.field("captured_from", pa.string()),  # exif | container | filename, or mtime: the file's, as nothing else is
        pa.field("timestamp", pa.timestamp("ms")),  # local time after the clock's correction; null: unknown
        pa.field("utc_offset_min", pa.int16()),  # minutes east of UTC at that moment; null: no zone is known
        pa.field("deployment_id", pa.string(), nullable=False),
        pa.field("visit_id", pa.string(), nullable=False),  # of the row of DEPLOYMENTS
        pa.field("sequence_id", pa.string(), nullable=False),  # a burst of photos, or one video
        pa.field("blank", pa.bool_(), nullable=False),  # looked at, and no box of any kind above the threshold
        pa.field("duplicate_of", pa.string()),  # media_id of the same file seen earlier
        pa.field("outside", pa.bool_(), nullable=False),  # of its deployment's period: in no event and no effort
    ]
)

DETECTIONS = pa.schema(  # decisions/detections.parquet: a row a box from LOWEST_SCORE up, in the order of MEDIA
    [
        pa.field("media_id", pa.string(), nullable=False),
        pa.field("frame_number", pa.int32(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("box", pa.int32(), nullable=False),  # index in the frame's detections among the facts
        pa.field("x", pa.float32(), nullable=False),
        pa.field("y", pa.float32(), nullable=False),
        pa.field("w", pa.float32(), nullable=False),
        pa.field("h", pa.float32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),  # the detector's, 0..1
        pa.field("label", pa.string(), nullable=False),  # the detector's category with the highest score
        # bird | animal (not a bird) | uncertain (an animal, maybe a bird) | person | vehicle | blank (not counted) |
        # undecided (nobody knows the label); only birds, and animals that a person named, have names
        pa.field("kind", pa.string(), nullable=False),
        pa.field("individual_id", pa.string()),  # boxes linked through a video or a burst share it
        pa.field("event_id", pa.string()),
        pa.field("repeat_group", pa.string()),  # suspicious repeats of one thing share it
        pa.field("suppressed", pa.bool_(), nullable=False),  # a repeat, or a review or label says that it is nothing
        pa.field("name", pa.string()),  # scientific name of the taxon, or the class name where no taxonomy knows it
        pa.field("rank", pa.string()),  # species | genus | family | order | class; null: not named
        pa.field("english_name", pa.string()),
        pa.field("hebrew_name", pa.string()),
        pa.field("ebird_code", pa.string()),
        pa.field("display_name", pa.string(), nullable=False),  # "unidentified wheatear (Oenanthe sp.)", "person"
        # probability that the name is right, 0..1: the classifier's, with its local list, as --calibration made it fit;
        # of a detector of species that is alone, its score; 1 where a person named it; null where there is no name
        pa.field("confidence", pa.float32()),
        pa.field("species_score", pa.float32()),  # the detector's and the classifier's scores in one, 0..1
        pa.field("candidates", pa.list_(CANDIDATE)),  # the three best species, falling
        pa.field("reasons", pa.list_(pa.string())),  # why it is unsure: too small, too dark, classes disagree ...
        pa.field("needs_review", pa.bool_(), nullable=False),
        pa.field("reviewed_by", pa.string()),  # the person whose word this row is; null: nobody's
        pa.field("nested", pa.bool_(), nullable=False),  # another box of the frame stands for this bird when counted
    ]
)

EVENTS = pa.schema(  # decisions/events.parquet: independent events, sorted by deployment and start
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("deployment_id", pa.string(), nullable=False),
        pa.field("visit_id", pa.string(), nullable=False),  # in which it began
        pa.field("kind", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("rank", pa.string()),
        pa.field("display_name", pa.string(), nullable=False),
        pa.field("start", pa.timestamp("ms"), nullable=False),  # local time
        pa.field("end", pa.timestamp("ms"), nullable=False),
        pa.field("utc_offset_min", pa.int16()),  # at the start; null: no zone is known
        pa.field("end_offset_min", pa.int16()),  # at the end: clocks may change meanwhile
        pa.field("count", pa.int32(), nullable=False),  # MaxN: the most seen at once in one frame
        pa.field("detections", pa.int32(), nullable=False),
        pa.field("media", pa.int32(), nullable=False),  # files that show it
        pa.field("confidence", pa.float32()),  # the highest of its detections
    ]
)

REPEATS = pa.schema(  # decisions/repeats.parquet: what stands in many pictures of a camera, for a person to judge
    [
        pa.field("repeat_group", pa.string(), nullable=False),  # media_id:frame:box of its first box
        pa.field("deployment_id", pa.string(), nullable=False),
        pa.field("x", pa.float32(), nullable=False),  # of its first box
        pa.field("y", pa.float32(), nullable=False),
        pa.field("w", pa.float32(), nullable=False),
        pa.field("h", pa.float32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),  # the detector's category with the highest score, of most boxes
        pa.field("boxes", pa.int32(), nullable=False),
        pa.field("media", pa.int32(), nullable=False),
        pa.field("first", pa.timestamp("ms")),  # local time; null where no time is known
        pa.field("last", pa.timestamp("ms")),
        pa.field("suppressed", pa.bool_(), nullable=False),  # false: all count, as a person or the classifier says
        pa.field("reviewed_by", pa.string()),
        pa.field("left_out", pa.int32(), nullable=False),  # how many of its boxes do not count
        pa.field("card", pa.string(), nullable=False),  # of the file of its first box
        pa.field("path", pa.string(), nullable=False),
    ]
)

GAP = pa.struct([("start", pa.date32()), ("end", pa.date32())])

EFFORT = (
    pa.schema(  # decisions/effort.parquet: how long the cameras of each deployment watched, blanks included; sorted
        [
            pa.field("deployment_id", pa.string(), nullable=False),
            pa.field(
                "start", pa.timestamp("ms")
            ),  # local; by the table of deployments, else the first file; null: unknown
            pa.field("end", pa.timestamp("ms")),
            pa.field("days", pa.int32(), nullable=False),  # of its visits, each once a camera; 0 without times
            pa.field("active_days", pa.int32(), nullable=False),  # days less those in gaps
            pa.field("days_with_files", pa.int32(), nullable=False),
            # days between start and end on which no camera watched: between visits, and without any file for too long
            pa.field("gaps", pa.list_(GAP), nullable=False),
            pa.field("media", pa.int32(), nullable=False),
            pa.field("photos", pa.int32(), nullable=False),
            pa.field("videos", pa.int32(), nullable=False),
            pa.field("blank", pa.int32(), nullable=False),
            pa.field("failed", pa.int32(), nullable=False),
            pa.field("without_time", pa.int32(), nullable=False),
            pa.field("outside", pa.int32(), nullable=False),  # files outside the stated period, which count in no event
        ]
    )
)

DEPLOYMENTS = pa.schema(  # decisions/deployments.parquet: each camera's time at its place, a row a visit that has media
    [
        pa.field("visit_id", pa.string(), nullable=False),  # unique: the deployment's for its first row, then
        pa.field("deployment_id", pa.string(), nullable=False),
        pa.field("listed", pa.bool_(), nullable=False),  # false: told from the folder, no table lists it
        pa.field("location_name", pa.string()),
        pa.field("latitude", pa.float64()),
        pa.field("longitude", pa.float64()),
        pa.field("start", pa.timestamp("ms")),  # local time: by the table, else the first file
        pa.field("start_offset_min", pa.int16()),
        pa.field("end", pa.timestamp("ms")),
        pa.field("end_offset_min", pa.int16()),
        pa.field("camera_model", pa.string()),
        pa.field("kind", pa.string()),  # feeder | water | nest ...
        pa.field("time_zone", pa.string()),  # IANA name or +HH:MM
        pa.field("details", pa.map_(pa.string(), pa.string())),  # other columns of Camtrap DP, as the table gives them
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

REVIEWS = pa.schema(  # reviews/*.parquet: only ever added to; the latest word on a box or a group wins
    [
        pa.field("reviewed_at", pa.timestamp("ms"), nullable=False),  # UTC
        pa.field("reviewer", pa.string(), nullable=False),
        pa.field("media_id", pa.string()),
        pa.field("frame_number", pa.int32()),  # null: all frames of the item
        pa.field("box", pa.int32()),  # null: all boxes of the frame
        pa.field("repeat_group", pa.string()),  # in place of an item: all boxes of a group of repeats
        pa.field("verdict", pa.string(), nullable=False),  # named | bird | animal | person | vehicle | nothing | real
        pa.field("name", pa.string()),  # with verdict `named`: scientific or class name
        pa.field("comment", pa.string()),
    ]
)


def pack_vector(values: NDArray[np.floating]) -> bytes:
    """Logits or an embedding as the store holds them: float16, little-endian; what is too large becomes the largest."""
    largest = np.finfo(np.float16).max
    return np.clip(values, -largest, largest).astype("<f2").tobytes()


def unpack_vector(packed: bytes) -> NDArray[np.float32]:
    """The vector (N,) that `pack_vector` packed."""
    return np.frombuffer(packed, "<f2").astype(np.float32)
