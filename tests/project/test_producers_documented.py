"""The producers' guide, its schema and its snippets agree with the parser, the files beside it, and the gate."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # moto and cfn-lint bring it along

from tank_mailer.core import fields, headertext, labels
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import NOT_YET, OPTIONAL, REQUIRED, EmailJob, InvalidJob, parse_job
from tank_mailer.core.ledger import State
from tank_mailer.core.rawjson import MAX_RAW_BYTES
from tank_mailer.settings import Settings
from tests.builders import make_body
from tests.core import test_job
from tests.project import job_schema

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "producers.md"
EXAMPLES = ROOT / "docs" / "producers"
SCHEMA = ROOT / "docs" / "job-schema.json"
LANGUAGES = {"python": ".py", "js": ".mjs", "java": ".java", "php": ".php", "sql": ".sql"}


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def section(title: str) -> str:
    return page().split(f"## {title}\n")[1].split("\n## ")[0]


def rows(text: str, columns: int) -> list[list[str]]:
    """Rows whose first cell is code."""
    found = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in text.splitlines() if line.startswith("| `")]
    return [row for row in found if len(row) == columns]


def code(cell: str) -> str:
    return cell[1:-1]


# --- the job ---------------------------------------------------------------------------------------

FIELDS = rows(section("The job"), 6)
LIMITS = {
    "email_id": [fields.MAX_ID_CHARACTERS],
    "to": [fields.MAX_RECIPIENTS],
    "subject": [fields.MAX_SUBJECT_CHARACTERS],
    "headers": [labels.MAX_HEADERS, labels.MAX_HEADER_NAME_CHARACTERS, labels.MAX_HEADER_VALUE_CHARACTERS],
    "tags": [labels.MAX_TAGS, 255],
    "configuration_set": [64],
}


def test_every_field_has_its_row() -> None:
    assert [code(name) for name, *_ in FIELDS] == [*REQUIRED, *OPTIONAL]


@pytest.mark.parametrize("row", FIELDS, ids=[row[0] for row in FIELDS])
def test_a_field_is_as_its_row_says(row: list[str]) -> None:
    """Its example is taken, its mistake is refused with the reason beside it, and its numbers are the parser's."""
    name, _, limits, taken, refused, reason = row
    field = code(name)

    good = parse_job(make_body(**{field: json.loads(code(taken))}))
    bad = parse_job(make_body(**{field: json.loads(code(refused))}))

    assert isinstance(good, EmailJob)
    assert isinstance(bad, InvalidJob)
    assert bad.reason is Reason(code(reason))
    assert [int(number) for number in re.findall(r"\b\d+\b", re.sub(r"RFC \d+", "", limits))] == LIMITS.get(field, [])


def test_an_optional_field_may_be_null() -> None:
    body = make_body(**dict.fromkeys(OPTIONAL))
    assert isinstance(parse_job(body), EmailJob)
    assert VALIDATOR.is_valid(json.loads(body))


def test_what_is_not_supported_yet_is_named() -> None:
    [names] = re.findall(r"\*\*Not yet\*\*: (.*?)\.", section("The job"), re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", names)) == NOT_YET
    assert f"{MAX_RAW_BYTES:,}" in section("The job")


def test_the_example_is_a_job() -> None:
    jobs = [text for text in re.findall(r"```json\n(.*?)```", page(), re.DOTALL) if "email_id" in text]
    assert len(jobs) == 1
    assert isinstance(parse_job(jobs[0]), EmailJob)


def test_names_in_double_quotes_are_taken() -> None:
    [example] = re.findall(r"double quotes:\s+`(.*?)`", section("The job"), re.DOTALL)
    job = parse_job(make_body(to=json.loads(example)))
    assert isinstance(job, EmailJob)
    assert job.to[0].name == "Doe, Jane"
    for domain in re.findall(r"`(\.\w+)`", section("The job").split("so none of")[1].split("\n-")[0]):
        assert isinstance(parse_job(make_body(to=f"a@b{domain}")), InvalidJob)


def test_every_reason_of_an_invalid_job_is_explained() -> None:
    """Those that the parser gives, and the two that only the ledger or the settings can tell."""
    told = {Reason(name) for row in rows(section("The job"), 2) for name in re.findall(r"`(\w+)`", row[0])}
    tests: tuple[Any, ...] = (test_job.test_what_a_job_may_not_say, test_job.test_what_is_no_job)
    given_ = {param.values[1] for test in tests for param in test.pytestmark[0].args[1]}

    assert told == given_ | {Reason.ID_CONFLICT, Reason.UNKNOWN_CONFIGURATION_SET}


# --- the email_id ----------------------------------------------------------------------------------

IDS = rows(section("The email_id"), 2)


@pytest.mark.parametrize("row", IDS, ids=[row[0] for row in IDS])
def test_an_id_is_what_its_row_says(row: list[str]) -> None:
    job = parse_job(make_body(email_id=code(row[0])))
    assert isinstance(job, InvalidJob) == row[1].startswith("refused")
    assert re.match("good|bad|refused", row[1])


def test_all_ends_without_a_mail_are_told_twice() -> None:
    """For the id, and for the news whose recipient is null."""
    ends = ", ".join(
        f"`{state}`"
        for state in (State.INVALID, State.REFUSED, State.SUPPRESSED, State.EXPIRED, State.DRY_RUN, State.DEAD)
    )
    assert section("The email_id").count(ends) == 1
    assert section("What became of it").count(ends) == 1
    days = Settings.model_fields["retention_days"].default
    assert f"`TANK_RETENTION_DAYS` ({days})" in section("The email_id")


# --- the schema ------------------------------------------------------------------------------------

VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
# What a schema cannot say. A line's end behind a tag is Python's own: its `$` stands before one, too.
BEYOND_A_SCHEMA = {
    *("an-id-of-half-a-character", "half-a-character-in-the-subject", "half-an-emoji-in-the-body"),
    *("half-a-character-in-a-name", "half-a-header", "recipients-by-comma", "a-bad-cc", "fifty-one-in-all"),
    *("a-value-too-long-once-encoded", "one-header-in-two-spellings", "a-line's-end-in-a-tag", "no-such-day"),
    "before-year-1",
}


def params(test: Any) -> list[tuple[str, dict[str, Any]]]:
    """The table of a test of the parser: names, and fields to be changed."""
    return [(param.id, param.values[0]) for param in test.pytestmark[0].args[1]]


def test_the_schema_is_the_one_of_the_code() -> None:
    Draft202012Validator.check_schema(job_schema.build())
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == job_schema.build()


@pytest.mark.parametrize(("name", "changes"), params(test_job.test_what_a_job_may_say))
def test_the_schema_takes_what_the_parser_takes(name: str, changes: dict[str, Any]) -> None:
    """All of it: a producer that checks must never hold a good job back."""
    assert list(VALIDATOR.iter_errors(json.loads(make_body(**changes)))) == [], name


@pytest.mark.parametrize(("name", "changes"), params(test_job.test_what_a_job_may_not_say))
def test_the_schema_refuses_what_it_can(name: str, changes: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(json.loads(make_body(**changes))) == (name in BEYOND_A_SCHEMA)


TEXT = st.text(max_size=12) | st.sampled_from([" a", "a ", "\u00a0a", "\ufeffa", "a\u2028", "a\x85b", "x" * 256, "Bcc"])


@given(
    name=st.sampled_from(["email_id", "subject", "text", "configuration_set", "expires_at", "body"]),
    value=TEXT,
    headers=st.dictionaries(TEXT, TEXT, max_size=2),
    tags=st.dictionaries(TEXT, TEXT, max_size=2),
)
def test_the_schema_never_refuses_a_job(name: str, value: str, headers: dict[str, str], tags: dict[str, str]) -> None:
    body = make_body(**{name: value, "headers": headers, "tags": tags})
    if isinstance(parse_job(body), EmailJob):
        assert VALIDATOR.is_valid(json.loads(body))


def test_control_characters_are_the_parsers() -> None:
    """The schema spells them, for it is read by other languages."""
    spelled = re.compile(f"[{job_schema.CONTROL}]")
    every = map(chr, range(0x3000))
    assert all(bool(spelled.match(one)) == bool(headertext.CONTROL.match(one)) for one in every)


# --- the snippets ----------------------------------------------------------------------------------


def snippets() -> Iterator[tuple[str, str]]:
    """Language and text of each fence, without the indent of a list that it stands in."""
    for indent, language, text in re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", page(), re.MULTILINE | re.DOTALL):
        yield language, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def test_snippets_are_parts_of_the_files_that_are_run() -> None:
    shown = set[str]()
    for language, text in snippets():
        if language in LANGUAGES:
            files = EXAMPLES.glob(f"*{LANGUAGES[language]}")
            found = [path.name for path in files if text in path.read_text(encoding="utf-8")]
            assert found, f"no {language} file has: {text[:80]}"
            shown.add(language)
        else:
            assert language in {"json", "console"}
    assert shown == set(LANGUAGES)


def test_every_file_is_named_and_fits_the_page() -> None:
    """And asks for nothing but what its head says."""
    named = set(re.findall(r"\(producers/([\w.-]+)\)", page()))
    moving = (ROOT / "docs" / "moving-from-lambda.md").read_text(encoding="utf-8")
    named |= set(re.findall(r"\(producers/([\w.-]+)\)", moving))
    there = {path.name for path in EXAMPLES.iterdir() if path.is_file()}

    assert there - named == {"outbox-postgresql.sql", "outbox-relay.sql", "news.sql"}, "those stand whole in the page"
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        head = ast.get_docstring(ast.parse(text)) or ""
        assert "docs/" in head
        for library in ("boto3", "sqlalchemy", "standardwebhooks"):
            if re.search(rf"^(?:import|from) {library}\b", text, re.MULTILINE) and path.name != "lambda_split.py":
                assert library in head.lower(), path.name


def test_the_policy_of_a_web_server_is_one_right() -> None:
    [policy] = [json.loads(text) for language, text in snippets() if language == "json" and "Statement" in text]
    [statement] = policy["Statement"]
    assert statement["Action"] == "sqs:SendMessage"
    assert {arn.rpartition(":")[2] for arn in statement["Resource"]} == {"tank-outbound", "tank-priority"}


def test_the_headers_of_a_newsletter_are_taken() -> None:
    [headers] = [json.loads(text) for language, text in snippets() if language == "json" and "List-" in text]
    job = parse_job(make_body(headers=headers))
    assert isinstance(job, EmailJob)
    assert len(job.headers) == 2


def test_the_move_shows_the_switch_as_it_is() -> None:
    """Names that an operator sets by hand."""
    text = (ROOT / "docs" / "moving-from-lambda.md").read_text(encoding="utf-8")
    split = (EXAMPLES / "lambda_split.py").read_text(encoding="utf-8")
    for name in ("TANK_PERCENT", "TANK_QUEUE_URL", "ReportBatchItemFailures", "as_job", "send_as_before"):
        assert name in text, name
        assert name in split, name
