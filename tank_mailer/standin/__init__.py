"""A local SQS and SES, as strict as AWS and throttling as AWS does: for demo, web developers and tests.

It listens on loopback only, checks no signatures and keeps everything in memory.
"""

from tank_mailer.standin.account import AccountSettings, Enforcement
from tank_mailer.standin.clock import Clock, ManualClock, SystemClock
from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.event_settings import EventSettings, Notifying
from tank_mailer.standin.fates import Fate, FateRule
from tank_mailer.standin.faults import Kind, Rule
from tank_mailer.standin.flood import Flood
from tank_mailer.standin.mailbox import Accepted, Listener
from tank_mailer.standin.options import StandinOptions
from tank_mailer.standin.server import Standin, serve
from tank_mailer.standin.state import State
from tank_mailer.standin.topics import Shape

__all__ = [
    "Accepted",
    "AccountSettings",
    "Clock",
    "Enforcement",
    "EventKind",
    "EventSettings",
    "Fate",
    "FateRule",
    "Flood",
    "Kind",
    "Listener",
    "ManualClock",
    "Notifying",
    "Rule",
    "Shape",
    "Standin",
    "StandinOptions",
    "State",
    "SystemClock",
    "serve",
]
