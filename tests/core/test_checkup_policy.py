"""What a resource's policy says, and where only AWS can tell."""

import json
from typing import Any

import pytest

from tank_mailer.core.checkup.policy import Request, Says, judge_policy
from tests.checkups import ACCOUNT, TOPIC

SOURCE = f"arn:aws:ses:eu-west-1:{ACCOUNT}:configuration-set/tank"
REQUEST = Request(
    service="ses.amazonaws.com",
    action="sns:Publish",
    resource=TOPIC,
    context={"aws:sourceaccount": ACCOUNT, "aws:sourcearn": SOURCE, "aws:securetransport": "true"},
)
ALLOW: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "ses.amazonaws.com"},
    "Action": "sns:Publish",
    "Resource": TOPIC,
}
ALLOWS, DENIES, UNCLEAR = Says.ALLOWS, Says.DENIES, Says.UNCLEAR


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def having(**condition: Any) -> str:
    return policy({**ALLOW, "Condition": condition})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", DENIES, id="no-policy-allows-nothing"),
        pytest.param("{", UNCLEAR, id="what-cannot-be-read"),
        pytest.param("[" * 100_000, UNCLEAR, id="what-is-nested-beyond-any-use"),
        pytest.param("[]", DENIES, id="no-object"),
        pytest.param(json.dumps({"Statement": ALLOW}), ALLOWS, id="one-statement-without-a-list"),
        pytest.param(policy("x"), UNCLEAR, id="a-statement-that-is-none"),
        pytest.param(policy(ALLOW), ALLOWS, id="the-service-is-let-in"),
        pytest.param(policy({**ALLOW, "Principal": "*"}), ALLOWS, id="everybody"),
        pytest.param(policy({**ALLOW, "Principal": {"AWS": "*"}}), ALLOWS, id="everybody-as-an-account"),
        pytest.param(policy({**ALLOW, "Principal": {"AWS": ACCOUNT}}), DENIES, id="an-account-is-no-service"),
        pytest.param(policy({**ALLOW, "Principal": {"Service": ["x", "ses.amazonaws.com"]}}), ALLOWS, id="of-several"),
        pytest.param(policy({**ALLOW, "Principal": "ses"}), DENIES, id="a-principal-that-is-no-object"),
        pytest.param(policy({**ALLOW, "NotPrincipal": {"AWS": "1"}}), UNCLEAR, id="all-but-somebody"),
        pytest.param(policy({**ALLOW, "Action": ["SNS:*"]}), ALLOWS, id="actions-by-pattern-in-any-case"),
        pytest.param(policy({**ALLOW, "Action": "sns:Subscribe"}), DENIES, id="another-action"),
        pytest.param(policy({**ALLOW, "NotAction": "sns:Subscribe"}), UNCLEAR, id="all-actions-but-one"),
        pytest.param(policy({**ALLOW, "Resource": "arn:aws:sns:*:*:event?"}), ALLOWS, id="resources-by-pattern"),
        pytest.param(policy({**ALLOW, "Resource": f"{TOPIC}.x"}), DENIES, id="a-dot-stands-for-itself"),
        pytest.param(policy({**ALLOW, "Resource": "arn:other"}), DENIES, id="another-resource"),
        pytest.param(policy({k: v for k, v in ALLOW.items() if k != "Resource"}), ALLOWS, id="its-own-resource"),
        pytest.param(policy(ALLOW, {**ALLOW, "Effect": "Deny"}), DENIES, id="who-is-denied-is-not-let-in"),
        pytest.param(policy({**ALLOW, "Effect": "Deny", "Action": "sns:Subscribe"}, ALLOW), ALLOWS, id="other-denial"),
        pytest.param(
            policy(ALLOW, {**ALLOW, "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
            ALLOWS,
            id="only-plain-http-is-denied",
        ),
        pytest.param(
            policy(ALLOW, {**ALLOW, "Effect": "Deny", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}),
            UNCLEAR,
            id="a-denial-that-nobody-here-can-judge",
        ),
    ],
)
def test_statements(text: str, says: Says) -> None:
    assert judge_policy(text, REQUEST) is says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(having(StringEquals={"AWS:SourceAccount": ACCOUNT}), ALLOWS, id="the-account"),
        pytest.param(having(StringEquals={"aws:SourceAccount": ["1", ACCOUNT]}), ALLOWS, id="one-of-several"),
        pytest.param(having(StringEquals={"aws:SourceAccount": "1"}), DENIES, id="another-account"),
        pytest.param(having(StringNotEquals={"aws:SourceAccount": "1"}), ALLOWS, id="all-but-another"),
        pytest.param(having(StringNotEquals={"aws:SourceAccount": ACCOUNT}), DENIES, id="all-but-this"),
        pytest.param(having(StringEqualsIgnoreCase={"aws:SourceArn": SOURCE.upper()}), ALLOWS, id="in-any-case"),
        pytest.param(having(StringEquals={"aws:SourceArn": SOURCE.upper()}), DENIES, id="not-in-any-case"),
        pytest.param(having(StringLike={"aws:SourceArn": "*/tank"}), ALLOWS, id="like"),
        pytest.param(having(StringNotLike={"aws:SourceArn": "*/tank"}), DENIES, id="not-like"),
        pytest.param(having(ArnEquals={"aws:SourceArn": "arn:aws:ses:*"}), ALLOWS, id="ArnEquals-is-ArnLike"),
        pytest.param(having(ArnLike={"aws:SourceArn": "*:configuration-set/other"}), DENIES, id="another-set"),
        pytest.param(having(ArnNotLike={"aws:SourceArn": "*/other"}), ALLOWS, id="all-sets-but-another"),
        pytest.param(having(ArnNotEquals={"aws:SourceArn": SOURCE}), DENIES, id="all-but-this-set"),
        pytest.param(having(StringEqualsIfExists={"aws:SourceAccount": ACCOUNT}), ALLOWS, id="if-it-is-there"),
        pytest.param(having(StringEquals={"AWS:SourceOwner": ACCOUNT}), UNCLEAR, id="a-key-that-only-AWS-knows"),
        pytest.param(having(IpAddress={"aws:SourceIp": "10.0.0.0/8"}), UNCLEAR, id="an-operator-of-AWS"),
        pytest.param(
            having(StringEquals={"aws:SourceAccount": "1", "AWS:SourceOwner": "1"}), DENIES, id="one-unmet-is-enough"
        ),
        pytest.param(policy({**ALLOW, "Condition": "x"}), UNCLEAR, id="conditions-that-are-none"),
        pytest.param(policy({**ALLOW, "Condition": {"StringEquals": "x"}}), UNCLEAR, id="an-operator-without-keys"),
    ],
)
def test_conditions(text: str, says: Says) -> None:
    assert judge_policy(text, REQUEST) is says


def test_the_first_clear_yes_is_enough() -> None:
    unclear = {**ALLOW, "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}}

    assert judge_policy(policy(unclear, ALLOW, unclear), REQUEST) is Says.ALLOWS
    assert judge_policy(policy(unclear), REQUEST) is Says.UNCLEAR
