"""datapackage.json of a Camtrap DP package: what the tables are, and which places, times and taxa are in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from detector.base.version import __version__
from detector.exports.source import ExportOptions
from detector.types import TaxonName

BASE = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2"
TABLES = ("deployments", "media", "observations")


def describe_package(
    options: ExportOptions,
    capture_methods: Sequence[str],
    places: Iterable[tuple[float, float]],
    days: Iterable[date],
    taxa: Iterable[TaxonName],
) -> dict[str, object]:
    """The whole descriptor.

    Args:
        options: Title, contributor and licences.
        capture_methods: By which the cameras took pictures, in Camtrap DP's words.
        places: (latitude, longitude) of each deployment, degrees.
        days: Days on which deployments began and ended.
        taxa: What was observed.
    """
    now = datetime.now(UTC)
    days = sorted(days) or [now.date()]
    return {
        "resources": [_resource(name) for name in TABLES],
        "profile": f"{BASE}/camtrap-dp-profile.json",
        "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "title": options.title,
        "contributors": [{"title": options.contributor, "role": "contributor"}],
        "sources": [{"title": "Hoopoe", "version": __version__}],
        "licenses": [
            {"name": options.data_license, "scope": "data"},
            {"name": options.media_license, "scope": "media"},
        ],
        "project": {
            "title": options.title,
            "samplingDesign": "opportunistic",
            "captureMethod": list(capture_methods),
            "individualAnimals": False,
            "observationLevel": ["media", "event"],
        },
        "spatial": _spatial(list(places)),
        "temporal": {"start": days[0].isoformat(), "end": days[-1].isoformat()},
        "taxonomic": [_taxon(taxon) for taxon in sorted(taxa, key=lambda taxon: taxon.name or "")],
    }


def _resource(name: str) -> dict[str, str]:
    return {
        "name": name,
        "path": f"{name}.csv",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": f"{BASE}/{name}-table-schema.json",
    }


def _spatial(places: list[tuple[float, float]]) -> dict[str, object]:
    """GeoJSON, longitude first: the rectangle around all places, or the only place."""
    if not places:
        return {"type": "Feature", "geometry": None, "properties": {}}
    south, north = (pick(latitude for latitude, _ in places) for pick in (min, max))
    west, east = (pick(longitude for _, longitude in places) for pick in (min, max))
    if (south, west) == (north, east):
        return {"type": "Point", "coordinates": [west, south]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _taxon(taxon: TaxonName) -> dict[str, object]:
    entry: dict[str, object] = {"scientificName": taxon.name, "taxonRank": taxon.rank}
    names = {"eng": taxon.english_name, "heb": taxon.hebrew_name}  # ISO 639-3
    vernacular = {language: name for language, name in names.items() if name}
    return entry | ({"vernacularNames": vernacular} if vernacular else {})
