"""The price file: the operator's, or the one that is shipped."""

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from tank_mailer.cli.options import EXIT_BAD_SETTINGS
from tank_mailer.cli.outside import leave
from tank_mailer.core.prices import PriceError, Prices, read_prices

NAME: Final = "prices.toml"
SHIPPED: Final = Path(__file__).with_name(NAME)
MAX_BYTES: Final = 1_048_576  # ours: it has some dozen lines
REMEDY: Final = "mend the file, or give another one with --prices; docs/reports.md tells its form"


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What it says, and where it was found."""

    path: Path
    prices: Prices

    @property
    def shown(self) -> str:
        """For people."""
        return "the prices shipped with tank-mailer" if self.path == SHIPPED else str(self.path)


def prices_or_exit(given: Path | None, env_file: Path | None) -> PriceFile:
    """Read it; one that cannot be used is told in one line, with the key at fault, and exits with 78."""
    path = given or _found(env_file)
    try:
        return PriceFile(path, _read(path))
    except OSError as error:
        leave(EXIT_BAD_SETTINGS, f"{path}: cannot be read: {error.strerror}", REMEDY)
    except (PriceError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        said = str(error) if isinstance(error, PriceError) else f"is no TOML: {_one_line(error)}"
        leave(EXIT_BAD_SETTINGS, f"{path}: {said}", REMEDY)


def _found(env_file: Path | None) -> Path:
    """Beside the settings' file, else in the working directory's `config`, else the shipped one."""
    places = [Path("config") / NAME]
    if env_file is not None:
        places.insert(0, env_file.parent / NAME)
    return next((place for place in places if place.is_file()), SHIPPED)


def _read(path: Path) -> Prices:
    with path.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise PriceError(f"the file has more than {MAX_BYTES:,} bytes")
    return read_prices(tomllib.loads(text.decode("utf-8"), parse_float=Decimal))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
