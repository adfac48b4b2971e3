"""What is wrong with the settings: all of it at once, each with its remedy, no secret in any text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that has to be put right before the program can start."""

    name: str  # of the variable, or of the file
    problem: str
    remedy: str


class SettingsError(Exception):
    """The settings cannot be used; `faults` says why, `warnings` what else was noticed."""

    def __init__(self, faults: tuple[Fault, ...], warnings: tuple[str, ...] = ()) -> None:
        super().__init__("; ".join(f"{fault.name}: {fault.problem}" for fault in faults))
        self.faults = faults
        self.warnings = warnings
