"""The columns of Camtrap DP 1.0.2, in the order of its schemas: readers refuse files without all of them.

Source: tdwg/camtrap-dp 1.0.2, deployments-, media- and observations-table-schema.json.
"""

from __future__ import annotations

import math
from collections.abc import Callable

DEPLOYMENT_COLUMNS = (
    "deploymentID", "locationID", "locationName", "latitude", "longitude", "coordinateUncertainty", "deploymentStart",
    "deploymentEnd", "setupBy", "cameraID", "cameraModel", "cameraDelay", "cameraHeight", "cameraDepth", "cameraTilt",
    "cameraHeading", "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat", "deploymentGroups",
    "deploymentTags", "deploymentComments",
)  # fmt: skip

MEDIA_COLUMNS = (
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName", "fileMediatype",
    "exifData", "favorite", "mediaComments",
)  # fmt: skip

OBSERVATION_COLUMNS = (
    "observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel",
    "observationType", "cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior", "individualID",
    "individualPositionRadius", "individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth",
    "bboxHeight", "classificationMethod", "classifiedBy", "classificationTimestamp", "classificationProbability",
    "observationTags", "observationComments",
)  # fmt: skip

FEATURE_TYPES = (
    "roadPaved", "roadDirt", "trailHiking", "trailGame", "roadUnderpass", "roadOverpass", "roadBridge", "culvert",
    "burrow", "nestSite", "carcass", "waterSource", "fruitingTree",
)  # fmt: skip
FEATURE_OF_KIND = {"nest": "nestSite", "water": "waterSource"}  # our kinds of cameras in Camtrap DP's words

CAPTURE_METHODS = ("activityDetection", "timeLapse")

Reader = Callable[[str], str | None]


def _number(low: float, high: float = math.inf, whole: bool = False) -> Reader:
    def read(text: str) -> str | None:
        try:
            value = float(text)
        except ValueError:
            return None
        if not low <= value <= high or (whole and value != int(value)) or math.isinf(value):
            return None
        return str(int(value)) if whole else text.strip()

    return read


def _boolean(text: str) -> str | None:
    return {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}.get(text.lower())


def _feature(text: str) -> str | None:
    return text if text in FEATURE_TYPES else None


def _text(text: str) -> str | None:
    return text


# what a user's table may say beyond what decisions know, and how the schema wants it
DETAILS: dict[str, Reader] = {
    "locationID": _text,
    "coordinateUncertainty": _number(1, whole=True),
    "setupBy": _text,
    "cameraID": _text,
    "cameraDelay": _number(0, whole=True),
    "cameraHeight": _number(0),
    "cameraDepth": _number(0),
    "cameraTilt": _number(-90, 90, whole=True),
    "cameraHeading": _number(0, 360, whole=True),
    "detectionDistance": _number(0),
    "timestampIssues": _boolean,
    "baitUse": _boolean,
    "featureType": _feature,
    "habitat": _text,
    "deploymentGroups": _text,
    "deploymentTags": _text,
    "deploymentComments": _text,
}

_MEDIA_TYPES = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "tif": "image/tiff", "tiff": "image/tiff",
    "webp": "image/webp", "bmp": "image/bmp", "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime",
    "avi": "video/x-msvideo", "mkv": "video/x-matroska",
}  # fmt: skip


def mediatype_of(path: str, media_type: str) -> str:
    """The MIME type of a file, by its name; image/* or video/* where that says nothing."""
    suffix = path.rpartition(".")[2].lower()
    return _MEDIA_TYPES.get(suffix, "video/*" if media_type == "video" else "image/*")


def allowed_path(path: str) -> bool:
    """Whether Camtrap DP takes a file path: relative, and without `..`, also within a name."""
    return bool(path) and path[0] not in "./~" and ".." not in path and "\n" not in path
