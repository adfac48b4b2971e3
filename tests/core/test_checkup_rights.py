"""What the key may do: tries, simulation and proof weighed against each other; and whose key it is."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tank_mailer.core.checkup.actions import (
    DELETE,
    GET_ACCOUNT,
    GET_SEND_QUOTA,
    PUT,
    RECEIVE,
    SEND,
    Right,
    Standing,
    stand_of,
    standings,
)
from tank_mailer.core.checkup.facts import (
    AccessKey,
    Account,
    Caller,
    ConfigurationSet,
    Simulated,
    StoreState,
    Tried,
)
from tank_mailer.core.checkup.finding import Check, Level
from tank_mailer.core.checkup.rights import judge_rights
from tank_mailer.core.checkup.seen import Denied, Known, NotAsked, Unreached
from tank_mailer.core.errors import Reason
from tank_mailer.core.view import LaneView, NodeView
from tests.checkups import (
    ACCOUNT,
    DEAD,
    EVENTS,
    NOW,
    OUTBOUND,
    REGION,
    arn,
    make_facts,
    make_identity,
    make_queue,
    make_setup,
    texts,
    told,
)

ALLOWED, NO, UNKNOWN = Standing.ALLOWED, Standing.DENIED, Standing.UNKNOWN
OTHERS_KEY = "a key that is not in use"


@pytest.mark.parametrize(
    ("tried", "simulated", "is_proven", "standing"),
    [
        pytest.param(Tried.ALLOWED, None, False, ALLOWED, id="what-worked-is-allowed"),
        pytest.param(Tried.ALLOWED, Simulated.NOT_GRANTED, False, ALLOWED, id="a-call-goes-before-a-simulation"),
        pytest.param(Tried.DENIED, Simulated.ALLOWED, True, NO, id="a-denial-goes-before-all"),
        pytest.param(Tried.UNCLEAR, None, False, UNKNOWN, id="an-unclear-try-says-nothing"),
        pytest.param(Tried.UNCLEAR, Simulated.ALLOWED, False, ALLOWED, id="then-the-simulation-counts"),
        pytest.param(None, Simulated.DENIED_BY_RULE, False, NO, id="a-policy-that-denies"),
        pytest.param(None, Simulated.NOT_GRANTED, False, NO, id="no-policy-that-grants"),
        pytest.param(None, Simulated.NOT_GRANTED, True, ALLOWED, id="mail-that-went-goes-before-a-simulation"),
        pytest.param(None, Simulated.UNCLEAR, False, UNKNOWN, id="a-condition-that-nobody-told"),
        pytest.param(None, None, True, ALLOWED, id="what-the-daemon-does-all-day"),
        pytest.param(None, None, False, UNKNOWN, id="nothing-is-known"),
    ],
)
def test_stand_of(tried: Tried | None, simulated: Simulated | None, is_proven: bool, standing: Standing) -> None:
    assert stand_of(tried=tried, simulated=simulated, is_proven=is_proven) is standing


def store(*, accepted_at: datetime | None = None, polled_at: datetime | None = None) -> Known[StoreState]:
    lanes = {"ordinary": LaneView(last_poll_at=polled_at)}
    node = NodeView("n", "p", "1", NOW, NOW, lanes=lanes)
    return Known(StoreState(is_file=True, schema="1", newest="1", newest_accepted_at=accepted_at, nodes=(node,)))


IDENTITY = {"example.com": Known(make_identity())}
SENDS = Right(SEND, f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.com")
RECEIVES = Right(RECEIVE, arn(OUTBOUND))


@pytest.mark.parametrize(
    ("facts", "right", "standing"),
    [
        pytest.param({"store": store(polled_at=NOW)}, RECEIVES, ALLOWED, id="a-node-polls"),
        pytest.param({"store": store(polled_at=NOW - timedelta(days=2))}, RECEIVES, UNKNOWN, id="a-node-has-polled"),
        pytest.param({"store": store()}, RECEIVES, UNKNOWN, id="a-node-has-not-polled-yet"),
        pytest.param(
            {"store": store(accepted_at=NOW), "identities": IDENTITY}, SENDS, ALLOWED, id="mail-went-a-moment-ago"
        ),
        pytest.param(
            {"store": store(accepted_at=NOW - timedelta(days=2)), "identities": IDENTITY}, SENDS, UNKNOWN, id="long-ago"
        ),
        pytest.param(
            {"store": store(accepted_at=NOW), "identities": {**IDENTITY, "b.example": Known(make_identity())}},
            SENDS,
            UNKNOWN,
            id="of-two-identities-it-may-have-been-the-other",
        ),
        pytest.param({"account": Known(Account())}, Right(GET_ACCOUNT, "*"), ALLOWED, id="it-was-told"),
        pytest.param({"account": Denied(GET_ACCOUNT, "*")}, Right(GET_ACCOUNT, "*"), NO, id="it-was-denied"),
        pytest.param({"account": NotAsked("no time")}, Right(GET_ACCOUNT, "*"), UNKNOWN, id="it-was-not-asked"),
        pytest.param(
            {"queues": {OUTBOUND: Known(make_queue())}, "simulated": Known({RECEIVES.on: Simulated.NOT_GRANTED})},
            RECEIVES,
            NO,
            id="a-queue-without-a-policy-lets-nobody-in",
        ),
        pytest.param(
            {
                "queues": {OUTBOUND: Known(make_queue(policy="{}"))},
                "simulated": Known({RECEIVES.on: Simulated.NOT_GRANTED}),
            },
            RECEIVES,
            UNKNOWN,
            id="its-own-policy-may-let-the-key-in",
        ),
        pytest.param(
            {"simulated": Known({RECEIVES.on: Simulated.NOT_GRANTED})}, RECEIVES, UNKNOWN, id="a-policy-nobody-has-seen"
        ),
    ],
)
def test_standings(facts: dict[str, Any], right: Right, standing: Standing) -> None:
    assert standings(make_setup(), make_facts(**facts))[right] is standing


def test_what_is_needed_follows_the_settings() -> None:
    setup = make_setup(event_queue_url=EVENTS, configuration_set="tank", configuration_sets=("other",))
    facts = make_facts(dead_letter_url=DEAD, identities=IDENTITY)

    found = {(one.action, one.resource) for one in standings(setup, facts)}

    assert (PUT, arn(DEAD)) in found
    assert (DELETE, arn(EVENTS)) in found
    assert (SEND, f"arn:aws:ses:{REGION}:{ACCOUNT}:configuration-set/other") in found
    assert (DELETE, arn(DEAD)) not in found


# --- findings --------------------------------------------------------------------------------------

USER = f"arn:aws:iam::{ACCOUNT}:user/tank"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/tank/session"


def key(days: int, *, is_ours: bool = True, is_active: bool = True) -> AccessKey:
    return AccessKey("AKIA****0001", is_active, NOW - timedelta(days=days), is_ours)


@pytest.mark.parametrize(
    ("facts", "expected", "text"),
    [
        pytest.param(
            {"caller": Unreached("x", Reason.BAD_CREDENTIALS)}, Level.FAULT, "AWS_ACCESS_KEY_ID", id="bad-key"
        ),
        pytest.param({"caller": Unreached("x", Reason.CLOCK_SKEW)}, Level.FAULT, "NTP", id="a-signature-out-of-time"),
        pytest.param({"caller": Unreached("x", Reason.CLOCK_SKEW), "skew_s": 400}, None, "", id="told-as-the-clock"),
        pytest.param({"caller": Unreached("no answer")}, Level.UNSEEN, "no answer", id="nobody-answered"),
    ],
)
def test_a_caller_that_is_not_known(facts: dict[str, Any], expected: Level | None, text: str) -> None:
    """And no list of rights that nobody could try."""
    found = list(judge_rights(make_setup(), make_facts(**facts)))

    assert told(found) == ([] if expected is None else [(Check.CREDENTIALS, expected)])
    assert text in texts(found)


@pytest.mark.parametrize(
    ("caller", "keys", "expected", "text"),
    [
        pytest.param(USER, Known((key(90),)), None, "90 days old", id="young-enough"),
        pytest.param(USER, Known((key(91),)), Level.WARNING, "the key in use is 91 days old", id="too-old"),
        pytest.param(
            USER, Known((key(5), key(99, is_ours=False))), Level.WARNING, "deactivate it", id="a-forgotten-one"
        ),
        pytest.param(USER, Known((key(99, is_ours=False, is_active=False),)), None, "", id="an-inactive-one"),
        pytest.param(USER, Denied("iam:ListAccessKeys", USER), Level.UNSEEN, "allow iam:ListAccessKeys", id="unseen"),
        pytest.param(ROLE, NotAsked("no user"), None, "renewed by themselves", id="a-role"),
        pytest.param(f"arn:aws:sts::{ACCOUNT}:federated-user/x", NotAsked("no user"), None, "", id="somebody-else"),
    ],
)
def test_keys(caller: str, keys: Any, expected: Level | None, text: str) -> None:
    found = [
        one
        for one in judge_rights(make_setup(), make_facts(caller=Known(Caller(ACCOUNT, caller)), keys=keys))
        if one.check is Check.KEY_AGE
    ]

    assert told(found) == ([] if expected is None else [(Check.KEY_AGE, expected)])
    assert text in texts(found)


@pytest.mark.parametrize(
    ("denied", "level", "text"),
    [
        pytest.param({(DELETE, arn(OUTBOUND))}, Level.FAULT, f"allow {DELETE} on {arn(OUTBOUND)}", id="jobs"),
        pytest.param({(GET_SEND_QUOTA, "*")}, Level.NOTE, "only asked where", id="the-old-way-alone"),
        pytest.param({("ses:GetSuppressedDestination", "*")}, Level.NOTE, "suppress sync", id="suppress-sync"),
    ],
)
def test_a_denied_right(denied: set[tuple[str, str]], level: Level, text: str) -> None:
    facts = make_facts(account=Known(Account()), tries=dict.fromkeys(denied, Tried.DENIED))

    (found,) = [one for one in judge_rights(make_setup(), facts) if "may not call" in one.what and one.remedy]

    assert (found.check, found.level) == (Check.PERMISSIONS, level)
    assert text in f"{found.what}|{found.remedy}"


def test_nothing_is_allowed_and_nothing_is_said_to_be() -> None:
    """Without any right there is no sentence of how many there are."""
    setup, every = make_setup(), make_facts()
    denied = make_facts(
        tries={one.on: Tried.DENIED for one in standings(setup, every)}, account=Denied(GET_ACCOUNT, "*")
    )

    found = [one for one in judge_rights(setup, denied) if one.check is Check.PERMISSIONS]

    assert Level.OK not in {one.level for one in found}
    assert {one.level for one in found if one.subject == GET_ACCOUNT} == {Level.FAULT}
    assert {one.level for one in found if one.subject == GET_SEND_QUOTA} == {Level.NOTE}


def test_sets_are_denied_by_their_own_name() -> None:
    setup = make_setup(configuration_set="tank")
    on = (SEND, f"arn:aws:ses:{REGION}:{ACCOUNT}:configuration-set/tank")
    facts = make_facts(sets={"tank": Known(ConfigurationSet())}, simulated=Known({on: Simulated.DENIED_BY_RULE}))

    (found,) = [one for one in judge_rights(setup, facts) if one.level is Level.FAULT]

    assert found.remedy.startswith(f"allow {SEND} on {on[1]}")
