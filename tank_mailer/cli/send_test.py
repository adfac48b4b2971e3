"""`tank-mailer send-test`: one job, made to end in a known way."""

import asyncio
import json
import secrets
import shlex
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_asides import find_asides
from tank_mailer.adapters.desk_emails import find_report
from tank_mailer.adapters.producer import Refused, open_producer
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.lane import Lane, OnLane, lane_or_exit, queue_of
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, leave, who
from tank_mailer.cli.terminal import print_json, progress_bar, say
from tank_mailer.core.address import AddressError, parse_address
from tank_mailer.core.errors import QueueError
from tank_mailer.core.ledger import ENDED_WITHOUT_MAIL, State
from tank_mailer.settings import Loaded

PLACEHOLDER_FROM: Final = "sender@example.com"  # a job that is never sent may come from anybody
UNVERIFIED_DOMAIN: Final = "unverified.example.net"  # RFC 2606: nobody can verify it
POLL_S: Final = 0.5
ENDS: Final = frozenset({State.ACCEPTED, State.DEAD, *ENDED_WITHOUT_MAIL})


class Type(StrEnum):
    """What the job is made for."""

    NORMAL = "normal"
    MISSING_EMAIL_ID = "missing-email-id"
    MISSING_FROM = "missing-from"
    UNVERIFIED_EMAIL = "unverified-email"


DELETED: Final = "deleted at once, put aside as invalid, and not on the dead-letter queue"
EXPECTED: Final[dict[Type, tuple[State, str]]] = {
    Type.NORMAL: (State.ACCEPTED, "accepted by SES"),
    Type.MISSING_EMAIL_ID: (State.INVALID, DELETED),
    Type.MISSING_FROM: (State.INVALID, DELETED),
    Type.UNVERIFIED_EMAIL: (State.REFUSED, "refused by SES, put aside, and not on the dead-letter queue"),
}


@dataclass(frozen=True, slots=True)
class _Test:
    """One test job.

    Attributes:
        email_id: None where the job has none.
        expected: how it is to end.
    """

    type: Type
    email_id: str | None
    fields: dict[str, str]
    expected: State
    promise: str

    @property
    def look(self) -> str:
        """The command that tells how it ended."""
        if self.email_id is None or self.expected is State.INVALID:
            return "tank-mailer refused list --kind invalid"
        return f"tank-mailer status {shlex.quote(self.email_id)}"


def send_test(
    *,
    type_: Annotated[Type, typer.Option("--type", help="How the job is to end.")] = Type.NORMAL,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", help="The sender. Without it: TANK_TEST_FROM.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The recipient. Without it: TANK_TEST_TO.")] = None,
    lane: OnLane = Lane.ORDINARY,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the message and put nothing on the queue.")] = False,
    wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Watch the store for so long, until the job has ended."),
    ] = 0,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Put one test job on TANK_OUTBOUND_QUEUE_URL, or on the priority lane's.

    normal: is sent. missing-email-id, missing-from: deleted at once, and
    kept out of the dead-letter queue. unverified-email: comes from a sender
    that SES refuses, and stays out of the dead-letter queue too.

    Exit codes: 0 on the queue, and ended as expected where --wait asks; 2
    usage (normal needs a sender); 3 it did not end as expected within
    --wait; 75 queue or store do not work; 78 bad settings, or no priority
    queue in them.
    """
    loaded = settings_or_exit(env_file)
    queue = queue_of(loaded.settings, lane)
    test = _make(type_, _address(from_, "--from"), _address(to, "--to"), loaded)
    body = json.dumps(test.fields, ensure_ascii=False)
    shape = {"type": test.type, "email_id": test.email_id, "expected": test.expected, "lane": lane, "queue": queue}
    if dry_run:
        if as_json:
            print_json({**shape, "dry_run": True, "message": test.fields})
        else:
            typer.echo(json.dumps(test.fields, indent=2, ensure_ascii=False))
            say(f"Nothing was put on the queue. This one would be {test.promise}.")
        return
    with lane_or_exit(lane):
        queue_message_id, found = asyncio.run(_run(loaded, queue, test, body, wait_s=wait, tells=not as_json))
    is_as_expected = not wait or (found is not None and found[0] == test.expected)
    if as_json:
        state, reason = found or (None, None)
        ended = {"queue_message_id": queue_message_id, "state": state, "reason": reason}
        print_json({**shape, "dry_run": False, "message": test.fields, **ended})
    elif found:
        say(f"It ended {found[0]}{f' ({found[1]})' if found[1] else ''}.")
    if not is_as_expected:
        leave(
            EXIT_NO,
            f"expected: {test.expected}; found: {found[0]}" if found else f"it has not ended within {wait:g} s",
            f"{test.look} tells more; is `tank-mailer run` running, on this queue and this store?",
        )


def _address(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        parse_address(storable(text))
    except AddressError as error:
        raise typer.BadParameter(f"{option}: {error.detail}") from None
    return text


def _make(type_: Type, from_: str | None, to: str | None, loaded: Loaded) -> _Test:
    settings = loaded.settings
    email_id = new_id(type_)
    sender = from_ or settings.test_from
    if type_ is Type.UNVERIFIED_EMAIL:
        sender = from_ or f"unverified-{secrets.token_hex(4)}@{UNVERIFIED_DOMAIN}"
    if sender is None and type_ is Type.NORMAL:
        raise typer.BadParameter("Give --from or TANK_TEST_FROM: a sender whose identity is verified in SES.")
    fields = {
        "email_id": email_id,
        "from": sender or PLACEHOLDER_FROM,
        "to": to or settings.test_to,
        "subject": f"tank-mailer test: {type_} ({email_id})",
        "body": f"<p>This is a test of tank-mailer ({type_}), {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC.</p>",
    }
    if type_ is Type.MISSING_EMAIL_ID:
        del fields["email_id"]
    elif type_ is Type.MISSING_FROM:
        del fields["from"]
    expected, promise = EXPECTED[type_]
    if settings.delivery == "dry_run" and expected is not State.INVALID:
        expected, promise = State.DRY_RUN, "put aside as dry_run, because of TANK_DELIVERY=dry_run"
    return _Test(type_, fields.get("email_id"), fields, expected, promise)


def new_id(type_: Type) -> str:
    """An email_id that nothing else has."""
    return f"test-{type_}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


async def _run(
    loaded: Loaded, queue: str, test: _Test, body: str, *, wait_s: float, tells: bool
) -> tuple[str, tuple[str, str | None] | None]:
    """Return the queue message's id and, if it was waited for, how the job ended."""
    if not wait_s:
        return await _put(loaded, queue, test, body, tells=tells), None
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:  # before anything is sent
        queue_message_id = await _put(loaded, queue, test, body, tells=tells)
        return queue_message_id, await _await_end(desk, test, queue_message_id, wait_s=wait_s)


async def _put(loaded: Loaded, queue: str, test: _Test, body: str, *, tells: bool) -> str:
    async with open_producer(loaded.aws, queue_url=queue) as producer:
        (put,) = await producer.put([body])
    match put:
        case QueueError():
            raise put
        case Refused(reason, detail):
            raise QueueError(reason, f"it does not take the message: {detail}")
        case str():
            pass
    if tells:
        say(f"On the queue {producer.name}: {test.email_id or 'a job without an email_id'} (queue message {put}).")
        say(f"It will be {test.promise}. To see: {test.look}")
    return put


async def _await_end(desk: Desk, test: _Test, queue_message_id: str, *, wait_s: float) -> tuple[str, str | None] | None:
    began_s = time.monotonic()
    with progress_bar("waiting for its end", total=wait_s, counts=False) as bar:
        while True:
            if asides := await find_asides(desk, queue_message_id):
                return asides[0].kind, asides[0].reason
            report = await find_report(desk, test.email_id) if test.email_id else None
            if report and report.state in ENDS:
                return report.state, report.reason
            waited_s = time.monotonic() - began_s
            if waited_s >= wait_s:
                return None
            bar.reach(waited_s, wait_s)
            await asyncio.sleep(POLL_S)
