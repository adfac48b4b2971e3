"""What is wrong with the settings: all of it at once, each with its remedy, no secret in any text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that has to be put right before the program can start.

    Attributes:
        name: of the variable, or of the file.
        problem: for who sits at the terminal.
        value: what `problem` begins with, quoted; empty where it shows none.
    """

    name: str
    problem: str
    remedy: str
    value: str = ""

    @property
    def logged(self) -> str:
        """The problem as a log line may have it: a value with an @ is somebody's address, maybe with a name."""
        return self.problem.removeprefix(f"{self.value!r}: ") if "@" in self.value else self.problem


class SettingsError(Exception):
    """The settings cannot be used; `faults` says why, `warnings` what else was noticed."""

    def __init__(self, faults: tuple[Fault, ...], warnings: tuple[str, ...] = ()) -> None:
        super().__init__("; ".join(f"{fault.name}: {fault.problem}" for fault in faults))
        self.faults = faults
        self.warnings = warnings
