"""The error table of docs/troubleshooting.md and the rules of the daemon, both ways: each row is fed to them."""

import builtins
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from string import Formatter
from typing import Any

import aiohttp
import botocore.exceptions
import pytest
from botocore.exceptions import ClientError

from tank_mailer.adapters import ses, sqs
from tank_mailer.adapters.aws import UNREADABLE
from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.breaker import TRIPS_AT, Breaker
from tank_mailer.core.doubt import settle_doubt
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.ledger import first_row
from tank_mailer.core.outcome import (
    BY_CODE,
    BY_STATUS,
    BY_TEXT,
    BY_TYPE,
    Accepted,
    Concern,
    Concerned,
    Failed,
    Fault,
    Held,
    InDoubt,
    Outcome,
    Refused,
    Throttled,
    Unreachable,
    judge,
)
from tank_mailer.core.verdict import DeadLetter, History, Park, Retry, decide
from tank_mailer.flows.account import AccountWatch
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import AccountFacts, AccountUnknown
from tank_mailer.telemetry.flatten import name_of
from tests.builders import make_job
from tests.fakes import FakeAccount, FakeClock
from tests.project.tables import TROUBLESHOOTING, Row, first_words, section, table, tables, words

NOW = datetime(2026, 11, 2, tzinfo=UTC)
JOB = make_job(sender="shop@example.com", to="you@example.org")
POLICY = RetryPolicy(has_channel=True)
SPENT = History(charged=99, throttles=99, others_pass=True)
NEVER, NO = "never", "no"
NONE = "\N{EN DASH}"
UNVERIFIED = "email address is not verified"
LISTED = "Email address is not verified. The following identities failed the check in region EU-WEST-1: {}"
NOT_ALLOWED = "User `tank' is not authorized to perform `ses:SendEmail' on resource `arn:aws:ses:{}'"
IDENTITY = "eu-west-1:111122223333:identity/{}"
EXAMPLES = {"SomeThrottlingCode", "SomeNewException"}  # in the page for all codes that no table knows


# --- what the code makes of it ---------------------------------------------------------------------


def cells_of(outcome: Outcome) -> Row:
    """Outcome, reason, charged, pauses."""
    reason = getattr(outcome, "reason", None) or Reason(str(kind_of(outcome)))
    return [f"`{kind_of(outcome)}`", f"`{reason}`", charge_of(outcome), pause_of(outcome)]


def kind_of(outcome: Outcome) -> str:
    return name_of(type(outcome))


def charge_of(outcome: Outcome) -> str:
    match decide(outcome, history=History(), policy=POLICY, jitter=0.0):
        case Retry(charged=True):
            return "an attempt"
        case Park():
            return "a resend"
        case _:
            return NO


def pause_of(outcome: Outcome) -> str:
    if isinstance(outcome, Held):
        return f"`{outcome.concern.kind}`"
    breaker = Breaker()
    for n in range(TRIPS_AT):
        breaker = breaker.after(outcome, f"order-{n}")
    return f"`{Concerned.SES}`, after five" if breaker.is_tripped else NONE


def judged(fault: Fault, *, known: bool) -> Outcome:
    return judge(fault, job=JOB, configuration_set="tank", sender_is_known=known)


# --- the rows of the page, as answers of SES -------------------------------------------------------


def condition(row: Row) -> str:
    """What the first cell says after its last code."""
    return row[0].rpartition("`")[2].strip(" ,:")


def is_known(row: Row) -> bool:
    return "has taken mail from before" in condition(row)


def by_words(row: Row) -> Iterator[Fault]:
    who = JOB.to[0].mailbox if "recipients" in condition(row) else JOB.sender.mailbox
    for word in words(row[0]):
        text = LISTED.format(who) if word == UNVERIFIED else f"{word} and more"
        for spelled in (text, text.upper() if word != UNVERIFIED else text):
            yield Fault(text=spelled, code="ServiceUnavailable", status=503)  # words go before codes


def by_code(row: Row) -> Iterator[Fault]:
    match condition(row):
        case about if "of a recipient" in about:
            texts = [NOT_ALLOWED.format(IDENTITY.format(JOB.to[0].domain))]
        case about if "anything else" in about:
            texts = ["", NOT_ALLOWED.format("eu-west-1:111122223333:configuration-set/tank")]
        case _:
            texts = [NOT_ALLOWED.format(IDENTITY.format(JOB.sender.domain))]
    for word in words(row[0]):
        if word != "throttl":
            yield from (Fault(text=text, code=word, status=400) for text in texts)


def by_status(row: Row) -> Iterator[Fault]:
    for word in words(row[0]):
        yield Fault(text="", code=word, status=int(word))  # botocore makes a code of the bare status
        if not condition(row):
            yield Fault(text="", code="SomeNewException", status=int(word))


def exception_of(name: str) -> BaseException:
    """One of that name, as the SDK or Python makes it."""
    found: Any = getattr(botocore.exceptions, name, None) or getattr(builtins, name)
    made: BaseException = found(**kwargs_of(found)) if hasattr(found, "fmt") else found(*args_of(found))
    return made


def kwargs_of(error: Any) -> dict[str, str]:
    """What botocore puts into the text of its exceptions."""
    return {field: "x" for _, field, _, _ in Formatter().parse(error.fmt) if field}


def args_of(error: Any) -> tuple[Any, ...]:
    return ("utf-8", b"x", 0, 1, "x") if error is UnicodeDecodeError else ()


def without_an_answer(row: Row) -> Iterator[Fault]:
    name, *cause = words(row[0])
    if not condition(row) and not cause:
        yield ses.broke(exception_of(name))
        return
    if name != "EndpointConnectionError":
        yield from (ses.broke(exception_of(one)) for one in words(row[0]))
        return
    never = aiohttp.ClientConnectorError(object(), OSError("refused"))  # type: ignore[arg-type]
    error = never if cause else aiohttp.ClientOSError("reset")
    yield ses.broke(botocore.exceptions.EndpointConnectionError(endpoint_url="x", error=error))


READERS = {
    "By its words": by_words,
    "By its code": by_code,
    "By its status": by_status,
    "Without an answer": without_an_answer,
}
ROWS = [
    pytest.param(heading, row, id=f"{heading}: {row[0]}"[:70])
    for heading in READERS
    for row in table(TROUBLESHOOTING, heading)
]


@pytest.mark.parametrize(("heading", "row"), ROWS)
def test_the_daemon_does_what_the_row_says(heading: str, row: Row) -> None:
    faults = list(READERS[heading](row))

    assert faults
    for fault in faults:
        assert row[1:5] == cells_of(judged(fault, known=is_known(row))), fault


def test_each_rule_of_the_daemon_has_its_row() -> None:
    found = {heading: set(first_words(table(TROUBLESHOOTING, heading))) for heading in READERS}

    assert found["By its words"] == {beginning for beginning, _ in BY_TEXT}
    assert found["By its code"] - EXAMPLES - {"throttl"} == set(BY_CODE)
    assert {str(status) for status in BY_STATUS} <= found["By its status"]
    assert set(BY_TYPE) | {error.__name__ for error in ses._BEFORE} <= found["Without an answer"]


def test_no_failure_of_a_connection_is_left_out() -> None:
    """An SDK that brings a new one makes this fail, and not an operator look for it in vain."""
    base = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)
    family = {
        name
        for name, one in vars(botocore.exceptions).items()
        if isinstance(one, type) and issubclass(one, base) and not name.startswith("_")
    }

    assert family <= set(first_words(table(TROUBLESHOOTING, "Without an answer")))
    assert {error.__name__ for error in UNREADABLE} <= set(first_words(table(TROUBLESHOOTING, "Without an answer")))


# --- what an outcome does ---------------------------------------------------------------------------

OUTCOMES: Sequence[Outcome] = (
    Accepted("m-1"),
    Refused(Reason.REJECTED, ""),
    Throttled(),
    Held(Concern(Concerned.ACCOUNT), Reason.SENDING_PAUSED, ""),
    Unreachable(""),
    Failed(Reason.SERVICE_ERROR, ""),
    InDoubt(Reason.ANSWER_LOST, ""),
)


@pytest.mark.parametrize(
    ("outcome", "row"), list(zip(OUTCOMES, table(TROUBLESHOOTING, "The error table"), strict=True))
)
def test_each_outcome_is_told_with_what_it_costs(outcome: Outcome, row: Row) -> None:
    assert row[0] == f"`{kind_of(outcome)}`"
    assert (row[2] == NO) == (charge_of(outcome) == NO)
    assert row[2].startswith(charge_of(outcome))
    assert (row[3] == NEVER) == (not may_die(outcome))


def may_die(outcome: Outcome) -> bool:
    """Whether it may end on the dead-letter queue, were it to go on like that."""
    if isinstance(outcome, InDoubt):
        row = first_row(email_id="order-1", content_hash="", lane="ordinary", queue_message_id="m-1", now=NOW)
        held = RetryPolicy(resends_doubt=False)
        settled = settle_doubt(row, now=NOW, absence_counts=True, at_most_once=False, policy=held)
        return isinstance(settled, DeadLetter)
    return isinstance(decide(outcome, history=SPENT, policy=POLICY, jitter=0.0), DeadLetter)


def test_figures_in_the_text_are_those_of_the_code() -> None:
    text = section(TROUBLESHOOTING, "The error table")

    assert TRIPS_AT == 5
    assert f"after {POLICY.max_throttles} throttles" in text
    assert f"{POLICY.no_channel_wait_s / 60:g} min without event queue" in text
    assert f"not before {POLICY.evidence_wait_s / 60:g} min" in text
    assert POLICY.max_resends == 3
    assert f"after three resends or {'six' if POLICY.max_doubt_s == 21_600 else '?'} hours" in text


# --- asked for the account ---------------------------------------------------------------------------

SAID: dict[str, Sequence[AccountFacts | AccountUnknown]] = {
    "`SHUTDOWN`": [AccountFacts(14.0, 50_000.0, 0.0, enforcement="SHUTDOWN")],
    "`SendingEnabled` false, or a rate of 0": [
        AccountFacts(14.0, 50_000.0, 0.0, sending_enabled=False),
        AccountFacts(0.0, 50_000.0, 0.0),
    ],
    "`PROBATION`, sandbox": [
        AccountFacts(14.0, 50_000.0, 0.0, enforcement="PROBATION"),
        AccountFacts(1.0, 200.0, 0.0, production_access=False),
    ],
    "denied, or an error of its own": [
        AccountUnknown(Reason.ACCESS_DENIED, "", reached=True, answered=True),
        AccountUnknown(Reason.SERVICE_ERROR, "", reached=True, answered=True),
    ],
    "the key, or the clock": [
        AccountUnknown(Reason.BAD_CREDENTIALS, "", reached=True, answered=True),
        AccountUnknown(Reason.CLOCK_SKEW, "", reached=True, answered=True),
    ],
    "a page that is none of SES's": [AccountUnknown(Reason.SERVICE_ERROR, "", reached=False, answered=True)],
    "nothing": [AccountUnknown(Reason.UNREACHABLE, "", reached=False)],
}


@pytest.mark.parametrize("row", table(TROUBLESHOOTING, "Asked for the account"), ids=lambda row: row[0])
async def test_the_account_stops_what_the_page_says(row: Row) -> None:
    for answer in SAID[row[0]]:
        pauses = Pauses(clock=FakeClock())
        watch = AccountWatch(
            account=FakeAccount(answer),
            governor=Governor(slots=1, rate=0.0),
            pauses=pauses,
            fixed_rate=None,
            share=0.9,
        )
        await watch.start()

        begun = [word for pause in pauses.all for word in (f"`{pause.concern.kind}`", f"`{pause.reason}`")]
        assert ("pause" in row[1]) == bool(begun)
        assert all(word in row[1] for word in begun)


# --- SQS ---------------------------------------------------------------------------------------------

SQS = table(TROUBLESHOOTING, "SQS")
SAID_OF_ANY = "in the text of any"


def sqs_codes(row: Row) -> Iterator[tuple[str, int, str]]:
    """Code, status, text."""
    codes, _, texts = row[0].partition("; ")
    for text in words(texts):
        yield "InvalidParameterValue", 400, f"{text} 262144 bytes"
    for word in words(codes):
        if word.isdigit():
            yield word, int(word), ""
        elif hasattr(botocore.exceptions, word) or hasattr(builtins, word):
            continue
        else:
            yield word, 400, ""
    if "403` with one that is not known" in row[0]:
        yield "SomeNewException", 403, ""


def sqs_exceptions(row: Row) -> Iterator[BaseException]:
    for word in words(row[0]):
        if hasattr(botocore.exceptions, word) or hasattr(builtins, word):
            yield exception_of(word)


@pytest.mark.parametrize("row", SQS, ids=lambda row: row[0][:60])
async def test_sqs_is_read_as_the_row_says(row: Row) -> None:
    reason = Reason(words(row[1])[0])
    codes, exceptions = list(sqs_codes(row)), list(sqs_exceptions(row))

    assert codes or exceptions
    for code, status, text in codes:
        said: Any = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
        assert sqs.said_no(ClientError(said, "ReceiveMessage")).reason is reason, code
    for exception in exceptions:
        with pytest.raises(QueueError) as raised:
            await sqs.answered(raising(exception))
        assert raised.value.reason is reason, exception


async def raising(error: BaseException) -> None:
    raise error


def test_each_rule_about_sqs_has_its_row() -> None:
    found = set(first_words(SQS))

    assert set(sqs._REASONS) <= found
    assert {
        code for table in (BY_CODE, BY_TYPE) for code, (_, reason) in table.items() if reason in sqs._OF_KEYS
    } <= found
    assert {error.__name__ for error in UNREADABLE} <= found


def test_what_a_batch_may_answer_is_told() -> None:
    text = section(TROUBLESHOOTING, "SQS")

    assert all(f"`{code}`" in text for code in (*sqs._GONE, sqs._TOO_LONG))
    assert len(tables(TROUBLESHOOTING, "SQS")) == 2
