"""Times as AWS writes them."""

from datetime import UTC, datetime

MAX_CHARACTERS = 40  # ours: nanoseconds and an offset with seconds take fewer
FIRST_YEAR, LAST_YEAR = 1970, 9998  # ours: outside of them no clock stands, and sums with durations overflow


def read_moment(value: object) -> datetime | None:
    """Read a time in ISO 8601, in UTC; None if it is none.

    Without an offset it is UTC. Fractions may be missing, a space may stand for the T and before the offset, the
    offset may lack its colon: SES's own examples differ (SES: notification contents).
    """
    if not isinstance(value, str) or len(value) > MAX_CHARACTERS or not value.isascii():
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            moment = datetime.fromisoformat(_tightened(value))
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elif moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def spell_moment(moment: datetime) -> str:
    """As people and scripts get it: UTC, to the millisecond, with a Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tightened(text: str) -> str:
    """Take out the spaces that Python does not expect."""
    text = text.strip().upper()
    for zone in (" UTC", " GMT", " Z"):
        text = text.replace(zone, "Z")
    return text.replace(" +", "+").replace(" -", "-")
