"""docs/faq.md: figures and names in its answers are those of the code, and each answer is one."""

import re

import pytest

from tank_mailer.core import fields, labels, rawjson
from tank_mailer.core.alerts import AlertName
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import KNOWN, NOT_YET
from tank_mailer.core.ledger import State
from tank_mailer.core.status import Status
from tank_mailer.settings import NAMES, Settings
from tests.project.cloudformation import template
from tests.project.tables import ROOT, section, words

PAGE = ROOT / "docs" / "faq.md"
QUESTIONS = re.findall(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def answer(question: str) -> str:
    return " ".join(section(PAGE, question).split())


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_answer_is_short_and_leads_on(question: str) -> None:
    """To a page, a command, a setting or a field."""
    assert question.endswith("?")
    lines = section(PAGE, question).strip().splitlines()
    assert 20 <= len(QUESTIONS) <= 35
    assert 1 <= len([line for line in lines if not line.startswith("## ")]) <= 7
    assert re.search(r"\]\(|`tank-mailer |`TANK_|`[a-z_]+`", answer(question))


def test_settings_that_the_answers_name_are_there() -> None:
    assert set(re.findall(r"TANK_[A-Z0-9_]+", PAGE.read_text(encoding="utf-8"))) <= set(NAMES)


def test_names_in_the_answers_are_names_of_something() -> None:
    known = {*State, *(status.word for status in Status), *Reason, *AlertName, *KNOWN}
    named = {word for word in words(PAGE.read_text(encoding="utf-8")) if re.fullmatch("[a-z]+(_[a-z]+)*", word)}

    assert named - known == {"send_at"}  # that there is none is the answer


def test_limits_of_a_job_are_those_of_the_code() -> None:
    size = answer("How big may a job be?")

    assert f"{rawjson.MAX_RAW_BYTES:,} bytes" in size
    assert f"{fields.MAX_RECIPIENTS} recipients" in size
    assert f"{fields.MAX_SUBJECT_CHARACTERS} characters" in size
    assert f"{labels.MAX_HEADERS} headers and {labels.MAX_TAGS} tags" in size
    assert f"1 to {fields.MAX_ID_CHARACTERS} characters" in answer("What makes a good email_id? May I use one again?")


def test_what_is_not_built_yet_is_what_the_code_turns_away() -> None:
    assert [word for word in words(answer("Can it send attachments, templates?")) if word in NOT_YET] == list(NOT_YET)


def test_defaults_in_the_answers_are_those_of_the_settings() -> None:
    defaults = {name: Settings.model_fields[field].default for name, field in NAMES.items()}
    text = " ".join(PAGE.read_text(encoding="utf-8").split())

    told = re.findall(r"`(TANK_[A-Z_]+)` \(([\d.]+)\)", text)
    assert len(told) > 1
    assert [float(value) for _, value in told] == [defaults[name] for name, _ in told]


def test_the_retention_in_the_answers_is_the_templates() -> None:
    queue = template()["Resources"]["OutboundQueue"]["Properties"]

    assert queue["MessageRetentionPeriod"] == 10 * 86_400
    assert "(10 days by the template)" in answer("Is it one host that must not fail?")
