"""Every knob of the operator: names, forms, sources, faults."""

from tank_mailer.settings.again import Changes, Sources, changes_of
from tank_mailer.settings.faults import Fault, SettingsError
from tank_mailer.settings.forms import MASK, masked_url
from tank_mailer.settings.load import (
    DEFAULT,
    ENVIRONMENT,
    NAMES,
    PROXIES,
    SECRET_NAMES,
    Loaded,
    load_aws,
    load_settings,
)
from tank_mailer.settings.model import Settings
from tank_mailer.settings.names import ENV_FILE_NAME
from tank_mailer.settings.web import Listen, parse_listen

__all__ = [
    "DEFAULT",
    "ENVIRONMENT",
    "ENV_FILE_NAME",
    "MASK",
    "NAMES",
    "PROXIES",
    "SECRET_NAMES",
    "Changes",
    "Fault",
    "Listen",
    "Loaded",
    "Settings",
    "SettingsError",
    "Sources",
    "changes_of",
    "load_aws",
    "load_settings",
    "masked_url",
    "parse_listen",
]
