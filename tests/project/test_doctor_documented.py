"""The table of checks in the operator's page is the one in the code."""

import json
import re
from pathlib import Path

from tank_mailer.core.checkup.actions import needed
from tank_mailer.core.checkup.catalogue import ABOUT
from tank_mailer.core.checkup.finding import Level
from tank_mailer.core.checkup.seen import Known
from tests.checkups import DEAD, EVENTS, make_facts, make_identity, make_setup

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_each_check_stands_in_the_page() -> None:
    wanted = [
        f"| {about.area} | `{check}` | {about.looks_at} | {', '.join(about.levels)} | {about.remedy} |"
        for check, about in ABOUT.items()
    ]

    assert [line for line in PAGE.splitlines() if re.match(r"\| \w+ \| `", line)] == wanted


def test_each_level_is_explained() -> None:
    assert all(f"| `{level}` |" in PAGE for level in Level)


def test_each_action_has_its_way_of_being_tried() -> None:
    setup = make_setup(event_queue_url=EVENTS)
    facts = make_facts(dead_letter_url=DEAD, identities={"example.com": Known(make_identity())})
    told = {action for line in PAGE.splitlines() for action in re.findall(r"`((?:sqs|ses):\w+)`", line)}

    assert {right.action for right in needed(setup, facts)} <= told


def test_each_statement_of_the_policy_is_explained() -> None:
    policy = json.loads((ROOT / "config" / "aws" / "iam-policy.json").read_text(encoding="utf-8"))
    own = {one["Sid"] for one in policy["Statement"] if one["Sid"].startswith("Doctor")}

    assert own == set(re.findall(r"^\| `(Doctor\w+)`", PAGE, re.MULTILINE))
