"""Time by the sun: what animals keep, where clocks jump twice a year and noon is not at twelve.

Sunrise becomes 6:00 and sunset 18:00, day and night each stretched evenly between them, so that days of all seasons can
be laid over each other (double anchoring: Vazquez and others 2019, https://doi.org/10.1111/2041-210X.13290).
Sun times are NOAA's, https://gml.noaa.gov/grad/solcalc/solareqns.PDF, right to two minutes between the polar circles.
"""

from __future__ import annotations

from datetime import date, datetime
from math import acos, cos, degrees, pi, radians, sin, tan

DAY_MIN = 1440
SUNRISE_MIN, SUNSET_MIN = 360, 1080  # what they become
ZENITH = radians(90.833)  # the upper edge of the sun on the horizon, seen through air


def sun_minute(moment: datetime, utc_offset_min: int, latitude: float, longitude: float) -> int | None:
    """Minutes since the sun's midnight, 0..1439, of a moment on a local clock.

    Args:
        moment: Local time, naive.
        utc_offset_min: Minutes east of UTC then.
        latitude: Degrees north.
        longitude: Degrees east.

    Returns:
        None where the sun does not rise or set on that day.
    """
    edges = sun_edges(moment.date(), latitude, longitude)
    if edges is None:
        return None
    sunrise, sunset = edges
    day = sunset - sunrise
    since = (moment.hour * 60 + moment.minute + moment.second / 60 - utc_offset_min - sunrise) % DAY_MIN
    if since < day:
        minute = SUNRISE_MIN + since * (SUNSET_MIN - SUNRISE_MIN) / day
    else:
        minute = SUNSET_MIN + (since - day) * (DAY_MIN - SUNSET_MIN + SUNRISE_MIN) / (DAY_MIN - day)
    return int(minute) % DAY_MIN


def sun_edges(day: date, latitude: float, longitude: float) -> tuple[float, float] | None:
    """Sunrise and sunset in minutes after UTC's midnight of that day, maybe of the days beside it; None: neither."""
    angle = 2 * pi / 365 * (day.timetuple().tm_yday - 1)  # of the earth on its way around the sun, at noon
    late_min = 229.18 * (
        0.000075 + 0.001868 * cos(angle) - 0.032077 * sin(angle) - 0.014615 * cos(2 * angle) - 0.040849 * sin(2 * angle)
    )
    declination = (
        0.006918
        - 0.399912 * cos(angle)
        + 0.070257 * sin(angle)
        - 0.006758 * cos(2 * angle)
        + 0.000907 * sin(2 * angle)
        - 0.002697 * cos(3 * angle)
        + 0.00148 * sin(3 * angle)
    )
    north = radians(min(max(latitude, -89.9), 89.9))  # at the poles themselves all directions are south
    cosine = cos(ZENITH) / (cos(north) * cos(declination)) - tan(north) * tan(declination)
    if not -1 < cosine < 1:
        return None
    half = degrees(acos(cosine))
    noon = 720 - 4 * longitude - late_min
    return noon - 4 * half, noon + 4 * half
