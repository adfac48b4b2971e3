"""config/aws/iam-policy.json against the calls that the code makes, both ways; and the template's policy against it."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tank_mailer.cli.dlq.boxes import STATEMENT
from tests.project import rights
from tests.project.cloudformation import ACCOUNT_ID, REGION, Reader
from tests.project.rights import each, statements

# What the placeholders of the policy stand for; docs/install.md fills them in with `sed`.
FILLED = {"REGION": REGION, "ACCOUNT_ID": ACCOUNT_ID, "IDENTITY": "example.com", "CONFIGURATION_SET": "tank"}
DAEMON = Reader(parameters={"Identities": "example.com"})
DOCTOR = "Doctor"  # what these statements begin with
MOST_CHARS = 6_144  # IAM: a managed policy, spaces not counted


def filled() -> list[dict[str, Any]]:
    text = json.dumps(statements())
    for placeholder, value in FILLED.items():
        text = re.sub(rf"\b{placeholder}\b", value, text)
    found: list[dict[str, Any]] = json.loads(text)
    return found


def plain(statement: dict[str, Any]) -> dict[str, Any]:
    """With lists where IAM lets a text stand, in one order."""
    return {
        **statement,
        "Action": sorted(each(statement["Action"])),
        "Resource": sorted(each(statement["Resource"])),
    }


def by_sid(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["Sid"]: plain(one) for one in found}


def of_template(**parameters: str) -> list[dict[str, Any]]:
    reader = Reader(parameters={**DAEMON.parameters, **parameters})
    found: list[dict[str, Any]] = reader.properties("MailerPolicy")["PolicyDocument"]["Statement"]
    return found


# --- calls -----------------------------------------------------------------------------------------


def test_what_is_called_is_allowed() -> None:
    """What is missing is a pause at a customer's, at night: add it to a statement of the policy and the template."""
    own = rights.allowed() | rights.FREE | rights.OF_ANOTHER_KEY
    missing = sorted({(call.action, call.place) for call in rights.calls() if call.action not in own})

    assert missing == []


def test_what_is_allowed_is_called() -> None:
    """What nobody calls is a gift to whoever steals the key: take it out of the statement that is named here."""
    called = {call.action for call in rights.calls()}
    idle = [(one["Sid"], action) for one in statements() for action in each(one["Action"]) if action not in called]

    assert idle == []


def test_what_needs_no_right_or_another_key_is_not_allowed() -> None:
    assert rights.allowed() & (rights.FREE | rights.OF_ANOTHER_KEY) == set()


def test_every_service_has_its_word_in_iam() -> None:
    """And there are calls of each, or nothing is read here at all."""
    assert rights.services() <= set(rights.PREFIXES)
    assert {call.action.partition(":")[0] for call in rights.calls()} == {rights.PREFIXES[s] for s in rights.services()}


def test_no_function_of_ours_is_called_like_a_call_to_aws() -> None:
    """Names are all that the calls are told by."""
    assert rights.own_names() & set(rights.operations()) == set()


def test_one_name_is_one_right() -> None:
    """Of SES's two APIs one right may cover both; a name that two services have tells neither."""
    assert [call for call in rights.calls() if len(rights.operations()[call.method]) > 1] == []


def test_ses_is_called_in_one_form() -> None:
    """SendEmail with a raw mail is authorised as ses:SendRawEmail: another right (aws-facts 8.1)."""
    assert '"Raw"' not in (rights.PACKAGE / "adapters" / "ses.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        pytest.param("sqs", "DeleteMessageBatch", "sqs:DeleteMessage", id="a-batch-by-the-single-call"),
        pytest.param("ses", "GetSendQuota", "ses:GetSendQuota", id="the-first-ses"),
        pytest.param("sesv2", "GetAccount", "ses:GetAccount", id="the-second-ses"),
        pytest.param("service-quotas", "GetServiceQuota", "servicequotas:GetServiceQuota", id="another-spelling"),
    ],
)
def test_action_of(service: str, operation: str, action: str) -> None:
    assert rights.action_of(service, operation) == action


# --- resources and conditions ----------------------------------------------------------------------

# Belong to the account as a whole: IAM knows no resource for them (aws-facts 8.1; SNS: authorisation reference).
WITHOUT_RESOURCE = frozenset({
    *("ses:GetAccount", "ses:GetSendQuota", "ses:ListEmailIdentities", "ses:GetDedicatedIps"),
    *("ses:ListSuppressedDestinations", "ses:GetSuppressedDestination"),
    *("ses:PutSuppressedDestination", "ses:DeleteSuppressedDestination"),
    "sns:GetSubscriptionAttributes",
})  # fmt: skip


def test_only_what_knows_no_resource_is_allowed_on_everything() -> None:
    wide = {action for one in statements() for action in each(one["Action"]) if "*" in each(one["Resource"])}

    assert wide - WITHOUT_RESOURCE == set()


def test_mail_goes_out_from_our_senders_only() -> None:
    """Identity and configuration set are checked each by itself; the condition is sure at the first (aws-facts 8.2)."""
    of_mail = [one for one in statements() if "ses:SendEmail" in each(one["Action"])]

    assert [(one["Sid"], each(one["Resource"]), one.get("Condition")) for one in of_mail] == [
        (
            "SendFrom",
            ["arn:aws:ses:REGION:ACCOUNT_ID:identity/IDENTITY"],
            {"StringLike": {"ses:FromAddress": ["IDENTITY", "*@IDENTITY", "*@*.IDENTITY"]}},
        ),
        ("SendThrough", ["arn:aws:ses:REGION:ACCOUNT_ID:configuration-set/CONFIGURATION_SET"], None),
    ]


def test_both_lanes_have_the_same_rights() -> None:
    """A right that only the ordinary lane has is missed when a code is to go out at night."""
    for one in statements():
        queues = {r.rpartition(":")[2] for r in each(one["Resource"]) if ":sqs:" in r}
        assert ("tank-outbound" in queues) == ("tank-priority" in queues), one["Sid"]


def test_the_policy_names_the_queues_of_the_template() -> None:
    named = {r.rpartition(":")[2] for one in statements() for r in each(one["Resource"]) if ":sqs:" in r}
    made = {one["Properties"]["QueueName"] for one in DAEMON.resources("AWS::SQS::Queue").values()}

    assert named == made - {"tank-events-undelivered"}  # SNS writes to it, and a person reads it


def test_what_the_suppression_list_needs_stands_alone() -> None:
    """So that it can be taken out: only `suppress sync` and `suppress check --account` ask for it."""
    lists = [each(one["Action"]) for one in statements() if one["Sid"] == "AccountSuppressionList"]

    assert len(lists) == 1
    assert all("SuppressedDestination" in action for action in lists[0])


def test_whoever_looks_at_dead_letters_has_a_statement_of_their_own() -> None:
    """So that it can be left out of the daemon's key; what is denied is told by its name."""
    ours = by_sid(statements())[STATEMENT]
    text = (rights.PACKAGE / "adapters" / "letter_box.py").read_text(encoding="utf-8")

    assert set(ours["Action"]) == set(re.findall(r'_doing\("(sqs:\w+)"\)', text))
    assert [one.rpartition(":")[2] for one in ours["Resource"]] == ["tank-dead-letter"]


def test_what_the_doctor_needs_stands_alone() -> None:
    """So that it can be taken out: the doctor then says what it could not see, and the daemon misses nothing."""
    own = {action for one in statements() if one["Sid"].startswith(DOCTOR) for action in each(one["Action"])}
    others = {action for one in statements() if not one["Sid"].startswith(DOCTOR) for action in each(one["Action"])}

    assert own & others == set()
    assert all(re.match(r"\w+:(Get|List|SimulatePrincipalPolicy)", action) for action in own), "it only looks"


def test_the_key_may_ask_about_itself_alone() -> None:
    """How old it is, what it may do; statements of their own, to be taken out by whoever does not want to be told."""
    asked = {one["Sid"]: (each(one["Action"]), one["Resource"]) for one in statements() if "iam:" in str(one["Action"])}

    itself = "arn:aws:iam::ACCOUNT_ID:user/${aws:username}"
    assert asked == {
        "KeyAge": (["iam:ListAccessKeys"], itself),
        "DoctorKey": (["iam:SimulatePrincipalPolicy"], itself),
    }


def test_what_came_of_an_event_can_be_put_back_on_its_queue() -> None:
    """`refused requeue` of what was in quarantine; the daemon itself only receives and deletes."""
    assert set(by_sid(statements())["Events"]["Action"]) == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
    }


def test_statements_have_names_of_their_own() -> None:
    sids = [one["Sid"] for one in statements()]

    assert len(sids) == len(set(sids))
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)  # IAM


# --- the template ----------------------------------------------------------------------------------


def test_the_template_gives_the_same_rights() -> None:
    """The policy is the source: write each statement that differs here into the template's MailerPolicy."""
    wanted, given = by_sid(filled()), by_sid(of_template())

    assert {sid: given.get(sid) for sid in wanted} == wanted
    assert set(given) == set(wanted)


def test_what_only_commands_ask_for_can_be_left_out() -> None:
    left = {one["Sid"] for one in of_template(CommandRights="no")}

    assert left == {"Jobs", "DeadLetters", "Events", "SendFrom", "SendThrough", "SendRate", "KeyAge"}


@pytest.mark.parametrize(
    ("identities", "sandbox", "resources"),
    [
        pytest.param("example.com", "no", ["example.com"], id="a-domain"),
        pytest.param("news@example.org", "no", ["news@example.org"], id="an-address"),
        pytest.param(
            "a.example,b.example,c.example,d.example,e.example",
            "no",
            ["a.example", "b.example", "c.example", "d.example", "e.example"],
            id="five-of-them",
        ),
        pytest.param("a.example,b.example", "yes", ["*", "b.example"], id="all-in-the-sandbox"),
    ],
)
def test_identities(identities: str, sandbox: str, resources: list[str]) -> None:
    """In the sandbox SES checks the recipient's identity too; senders stay limited by their address."""
    one = send_from(Identities=identities, SandboxAccount=sandbox)

    assert one["Resource"] == [f"arn:aws:ses:{REGION}:{ACCOUNT_ID}:identity/{name}" for name in resources]
    assert set(one["Condition"]) == {"StringLike"}
    assert set(one["Condition"]["StringLike"]) == {"ses:FromAddress"}


def send_from(**parameters: str) -> dict[str, Any]:
    (one,) = (found for found in of_template(**parameters) if found["Sid"] == "SendFrom")
    return one


@pytest.mark.parametrize(
    ("sender", "may_send"),
    [
        pytest.param("shop@example.com", True, id="of-the-domain"),
        pytest.param("shop@mail.example.com", True, id="of-a-subdomain"),
        pytest.param("news@example.org", True, id="the-address"),
        pytest.param("shop@b.example", True, id="of-another-domain"),
        pytest.param("shop@another-example.com", False, id="of-a-domain-that-ends-like-ours"),
        pytest.param("fake-news@example.org", False, id="an-address-that-ends-like-ours"),
        pytest.param("other@example.org", False, id="beside-the-address"),
        pytest.param("shop@example.com.example.net", False, id="of-a-domain-that-begins-like-ours"),
    ],
)
@pytest.mark.parametrize("sandbox", ["yes", "no"])
def test_who_may_send(sender: str, may_send: bool, sandbox: str) -> None:
    """Above all in the sandbox, where every identity of the account is allowed, and the address alone decides."""
    condition = send_from(Identities="example.com,news@example.org,b.example", SandboxAccount=sandbox)["Condition"]
    patterns = condition["StringLike"]["ses:FromAddress"]

    assert any(fnmatchcase(sender, pattern) for pattern in patterns) is may_send
    assert not any(set(pattern) & set("?[]") for pattern in patterns)  # else IAM and fnmatch would differ


def test_it_fits_into_a_managed_policy() -> None:
    most = of_template(Identities=",".join(["averagely-long-name.example.com"] * 5))

    assert len(re.sub(r"\s", "", json.dumps({"Version": "2012-10-17", "Statement": most}))) < MOST_CHARS
