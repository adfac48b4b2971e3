"""What AWS says no with."""

from typing import Any

Json = dict[str, Any]
"""A JSON object as it came in or goes out."""


class AwsError(Exception):
    """An answer other than 200: name as in the service model, text as AWS words it."""

    def __init__(self, name: str, text: str, *, status: int = 400) -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text
        self.status = status


def invalid(parameter: str, value: object, reason: str) -> AwsError:
    """SQS's wording for a parameter out of its bounds."""
    return AwsError(
        "InvalidParameterValue",
        f"Value {value} for parameter {parameter} is invalid. Reason: {reason}",
    )
