"""A stack's outputs as settings: which status lets them be used, and what is no stack of ours."""

import pytest

from tank_mailer.core.stack import OUTPUTS, Stack, Standing, Unusable, region_in, settings_of, standing_of

ALL = {
    "TankOutboundQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-outbound",
    "TankPriorityQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-priority",
    "TankDeadLetterQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-dead-letter",
    "TankEventQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-events",
    "TankEventTopicArns": "arn:aws:sns:eu-west-1:123456789012:tank-events",
    "TankConfigurationSet": "tank",
}


def make_stack(status: str = "CREATE_COMPLETE", **outputs: str) -> Stack:
    return Stack("tank-queues", status, {**ALL, **outputs})


@pytest.mark.parametrize(
    ("key", "name"),
    [
        pytest.param("TankOutboundQueueUrl", "TANK_OUTBOUND_QUEUE_URL", id="ordinary-lane"),
        pytest.param("TankPriorityQueueUrl", "TANK_PRIORITY_QUEUE_URL", id="priority-lane"),
        pytest.param("TankDeadLetterQueueUrl", "TANK_DEAD_LETTER_QUEUE_URL", id="dead-letters"),
        pytest.param("TankEventQueueUrl", "TANK_EVENT_QUEUE_URL", id="events"),
        pytest.param("TankEventTopicArns", "TANK_EVENT_TOPIC_ARNS", id="topic"),
        pytest.param("TankConfigurationSet", "TANK_CONFIGURATION_SET", id="configuration-set"),
    ],
)
def test_each_output_is_a_setting(key: str, name: str) -> None:
    found = settings_of(make_stack())

    assert not isinstance(found, Unusable)
    assert (OUTPUTS[key], found[name]) == (name, ALL[key])


def test_other_outputs_are_none_of_them() -> None:
    found = settings_of(make_stack(MailerUserName="tank-queues-MailerUser-1ABC", TankSomethingNew="x"))

    assert not isinstance(found, Unusable)
    assert set(found) == set(OUTPUTS.values())


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        pytest.param("CREATE_COMPLETE", Standing.USABLE, id="made"),
        pytest.param("UPDATE_COMPLETE", Standing.USABLE, id="brought-up-to-date"),
        pytest.param("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Standing.USABLE, id="only-old-things-are-taken-away"),
        pytest.param("UPDATE_ROLLBACK_COMPLETE", Standing.USABLE, id="as-it-was-before-the-update"),
        pytest.param("IMPORT_COMPLETE", Standing.USABLE, id="made-of-what-was-there"),
        pytest.param("CREATE_IN_PROGRESS", Standing.CHANGING, id="being-made"),
        pytest.param("UPDATE_IN_PROGRESS", Standing.CHANGING, id="being-updated"),
        pytest.param("UPDATE_ROLLBACK_IN_PROGRESS", Standing.CHANGING, id="going-back"),
        pytest.param("SOMETHING_NEW", Standing.CHANGING, id="a-word-that-is-new"),
        pytest.param("", Standing.CHANGING, id="no-word"),
        pytest.param("CREATE_FAILED", Standing.BROKEN, id="could-not-be-made"),
        pytest.param("ROLLBACK_COMPLETE", Standing.BROKEN, id="could-not-be-made-and-is-cleared"),
        pytest.param("REVIEW_IN_PROGRESS", Standing.BROKEN, id="a-change-set-that-nobody-executed"),
        pytest.param("UPDATE_ROLLBACK_FAILED", Standing.BROKEN, id="stuck"),
        pytest.param("DELETE_COMPLETE", Standing.GONE, id="deleted"),
        pytest.param("DELETE_FAILED", Standing.GONE, id="half-deleted"),
    ],
)
def test_standing_of(status: str, standing: Standing) -> None:
    assert standing_of(status) is standing
    assert isinstance(settings_of(make_stack(status)), Unusable) is (standing is not Standing.USABLE)


@pytest.mark.parametrize(
    ("stack", "detail", "remedy"),
    [
        pytest.param(make_stack("CREATE_IN_PROGRESS"), "CREATE_IN_PROGRESS", "again when it is done", id="too-early"),
        pytest.param(make_stack("ROLLBACK_COMPLETE"), "ROLLBACK_COMPLETE", "describe-stack-events", id="failed"),
        pytest.param(make_stack("DELETE_COMPLETE"), "not there any more", "deploy config/aws", id="deleted"),
        pytest.param(
            Stack("web", "CREATE_COMPLETE", {"Url": "x"}), "none of the outputs", "update", id="another-stack"
        ),
        pytest.param(
            make_stack(TankEventQueueUrl="", TankPriorityQueueUrl=""),
            "lacks TankPriorityQueueUrl, TankEventQueueUrl",
            "update the stack with the config/aws/tank-mailer.yaml",
            id="an-older-template",
        ),
        pytest.param(
            make_stack(TankConfigurationSet="tank\nTANK_DELIVERY=live"),
            "no value of a setting: the output TankConfigurationSet",
            "update",
            id="a-line-smuggled-in",
        ),
        pytest.param(make_stack(TankConfigurationSet="$(id)"), "no value", "update", id="what-a-shell-would-run"),
    ],
)
def test_what_cannot_be_used(stack: Stack, detail: str, remedy: str) -> None:
    found = settings_of(stack)

    assert isinstance(found, Unusable)
    assert detail in found.detail
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("name", "region"),
    [
        pytest.param("arn:aws:cloudformation:eu-west-1:123456789012:stack/tank-queues/0a1b", "eu-west-1", id="an-arn"),
        pytest.param("arn:aws-us-gov:cloudformation:us-gov-west-1:1:stack/a/b", "us-gov-west-1", id="a-partition"),
        pytest.param("tank-queues", None, id="a-name"),
        pytest.param("arn:aws:sns:eu-west-1:123456789012:tank-events", None, id="of-something-else"),
        pytest.param("arn:aws:cloudformation::123456789012:stack/tank-queues/0a1b", None, id="without-one"),
    ],
)
def test_region_in(name: str, region: str | None) -> None:
    assert region_in(name) == region
