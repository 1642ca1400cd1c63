"""Files for other programs, one module a format, from the decided store alone."""

from detector.exports.export import export
from detector.exports.formats import DEFAULT_FORMATS, FORMATS, parse_formats
from detector.exports.source import ExportOptions

__all__ = ["DEFAULT_FORMATS", "FORMATS", "ExportOptions", "export", "parse_formats"]
