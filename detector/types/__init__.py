"""The values that cross the boundaries between the packages of Hoopoe."""

from detector.types.detections import Detections as Detections
from detector.types.kinds import KINDS as KINDS
from detector.types.kinds import Kind as Kind
from detector.types.kinds import TaxonName as TaxonName
from detector.types.media import Frame as Frame
from detector.types.media import MediaItem as MediaItem
from detector.types.media import MediaType as MediaType
from detector.types.media import media_id as media_id
