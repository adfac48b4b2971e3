"""Reading a request's fields: there or not, of the right type, within bounds."""

from typing import Any

from tank_mailer.standin.errors import AwsError, Json, invalid


def text(request: Json, name: str) -> str:
    """A required, non-empty string."""
    value = optional_text(request, name)
    if not value:
        raise AwsError("MissingParameter", f"The request must contain the parameter {name}.")
    return value


def required(request: Json, name: str) -> None:
    """Refuse a request without this parameter, whatever its type."""
    if request.get(name) is None:
        raise AwsError("MissingParameter", f"The request must contain the parameter {name}.")


def optional_text(request: Json, name: str) -> str:
    """A string, empty where it is absent."""
    value = request.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unreadable(name)
    return value


def number(request: Json, name: str, *, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`; `default` where it is absent, whatever its bounds."""
    value = request.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unreadable(name)
    if not low <= value <= high:
        raise invalid(name, value, f"Must be between {low} and {high}, if provided.")
    return value


def listing(request: Json, name: str) -> list[Any]:
    """A list, empty where it is absent."""
    value = request.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _unreadable(name)
    return value


def mapping(request: Json, name: str) -> Json:
    """An object, empty where it is absent."""
    value = request.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unreadable(name)
    return value


def _unreadable(name: str) -> AwsError:
    return AwsError("SerializationException", f"The parameter {name} has the wrong type.")
