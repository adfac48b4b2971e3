"""`/_standin/...`: what an observer may read and set."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from tank_mailer.standin import observer_events
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.faults import read_rules
from tank_mailer.standin.reply import Reply, observed
from tank_mailer.standin.state import State

PREFIX: Final = "/_standin/"
HTML_OK: Final = 200

INDEX: Final = f"""\
tank-mailer's stand-in for SQS and SES. It keeps everything in memory and forgets it when it stops.

GET    /_standin/log?since=N       accepted mails after number N, oldest first
GET    /_standin/emails            MessageIds of the mails that are still kept
GET    /_standin/emails/ID         one mail as it was received
GET    /_standin/account           rate, quota and state of the account
PUT    /_standin/account           change any of them: {{"max_send_rate": 14, "max_24_hour_send": 50000,
                                   "sent_last_24_hours": 0, "sending_enabled": true,
                                   "production_access": true, "enforcement_status": "HEALTHY",
                                   "get_account_denied": false, "suppression_enabled": true}}
GET    /_standin/identities        identities, and whether each is verified
PUT    /_standin/identities/NAME   {{"verified": true}}
GET    /_standin/access            who calls, what is denied, how far the Date of answers is off
PUT    /_standin/access            {{"denied": ["ses:GetEmailIdentity"] (or {{"sqs:SendMessage": "jobs"}}),
                                   "date_skew_s": 0}}
GET    /_standin/keys              access keys, how many calls each has signed, and whether it is refused
PUT    /_standin/keys/ID           {{"refused": "expired"}}, "invalid" or null
GET    /_standin/counts            calls by operation and outcome; throttles with their times
GET    /_standin/faults            the rules left
POST   /_standin/faults            more rules: [{{"service": "ses", "operation": "SendEmail",
                                   "times": 1 (null: for ever), "after": 0, "kind": "status",
                                   "status": 503, "code": "", "message": "", "delay_s": 0,
                                   "processed": false}}]; kinds: status reset_before reset_after
                                   close_before close_after hang html no_message_id delay
DELETE /_standin/faults            no rules
{observer_events.INDEX}\
POST   /_standin/reset             forget everything
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an observer: the rest of the path after its first word, `since`, the body."""

    name: str
    since: int
    body: bytes

    def json(self) -> object:
        """The body; an empty one is an empty object."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            raise AwsError("BadRequestException", "the body is not JSON") from None

    def changes(self) -> Json:
        """The body, where an object is wanted."""
        given = self.json()
        if not isinstance(given, dict):
            raise AwsError("BadRequestException", "a JSON object is wanted")
        return given


def observe(state: State, method: str, what: str, asked: Asked) -> Reply:
    """Answer an observer; never slow, never struck by a fault."""
    if not what:
        return Reply(HTML_OK, {"Content-Type": "text/plain; charset=utf-8"}, INDEX.encode())
    work = WORKS.get((method, what))
    if work is None:
        return observed({"error": f"{method} {PREFIX}{what} is unknown; GET {PREFIX} lists what there is"}, status=404)
    try:
        return work(state, asked)
    except AwsError as error:
        return observed({"error": error.text}, status=error.status)


def account_shown(state: State) -> Json:
    """Settings and count, by the names that a PUT takes."""
    shown = asdict(state.account.settings)
    shown["sent_last_24_hours"] = state.account.sent_last_24_hours()
    return shown


def _log(state: State, asked: Asked) -> Reply:
    return observed([asdict(entry) for entry in state.mailbox.log[asked.since :]])


def _emails(state: State, asked: Asked) -> Reply:
    if not asked.name:
        return observed(state.mailbox.kept())
    email = state.mailbox.email(asked.name)
    return observed(email) if email else observed({"error": f"no mail {asked.name} is kept"}, status=404)


def _account(state: State, _: Asked) -> Reply:
    return observed(account_shown(state))


def _change_account(state: State, asked: Asked) -> Reply:
    state.account.change(asked.changes())
    return observed(account_shown(state))


def _identities(state: State, _: Asked) -> Reply:
    return observed(state.identities.verified)


def _change_identity(state: State, asked: Asked) -> Reply:
    state.identities.verified[asked.name.lower()] = bool(asked.changes().get("verified", True))
    return observed(state.identities.verified)


def _access(state: State, _: Asked) -> Reply:
    return observed(state.access.shown())


def _change_access(state: State, asked: Asked) -> Reply:
    state.access.change(asked.changes())
    return observed(state.access.shown())


def _keys(state: State, _: Asked) -> Reply:
    return observed(state.signers.shown())


def _change_key(state: State, asked: Asked) -> Reply:
    state.signers.change(asked.name, asked.changes())
    return observed(state.signers.shown())


def _counts(state: State, _: Asked) -> Reply:
    throttles = [asdict(throttle) for throttle in state.account.throttles]
    return observed({**state.counts.shown(), "accepted": len(state.mailbox.log), "throttles": throttles})


def _faults(state: State, _: Asked) -> Reply:
    return observed(state.faults.shown())


def _add_faults(state: State, asked: Asked) -> Reply:
    state.faults.add(*read_rules(asked.json()))
    return observed(state.faults.shown())


def _clear_faults(state: State, _: Asked) -> Reply:
    state.faults.rules.clear()
    return observed([])


def _events(state: State, _: Asked) -> Reply:
    return observed(state.events.shown())


def _change_events(state: State, asked: Asked) -> Reply:
    return observed(observer_events.change(state, asked.changes()))


def _ask_for_events(state: State, asked: Asked) -> Reply:
    return observed(observer_events.ask(state, asked.name, asked.changes()))


def _subscribe(state: State, asked: Asked) -> Reply:
    return observed(observer_events.subscribe(state, asked.changes()))


def _reset(state: State, _: Asked) -> Reply:
    state.reset()
    return observed({})


WORKS: Final[dict[tuple[str, str], Callable[[State, Asked], Reply]]] = {
    ("GET", "log"): _log,
    ("GET", "emails"): _emails,
    ("GET", "account"): _account,
    ("PUT", "account"): _change_account,
    ("GET", "identities"): _identities,
    ("PUT", "identities"): _change_identity,
    ("GET", "access"): _access,
    ("PUT", "access"): _change_access,
    ("GET", "keys"): _keys,
    ("PUT", "keys"): _change_key,
    ("GET", "counts"): _counts,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "events"): _events,
    ("PUT", "events"): _change_events,
    ("POST", "events"): _ask_for_events,
    ("POST", "topics"): _subscribe,
    ("POST", "reset"): _reset,
}
