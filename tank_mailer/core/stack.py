"""The CloudFormation stack that the queues come from: which settings its outputs are, and whether they may be used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

# The outputs of config/aws/tank-mailer.yaml that are settings; CloudFormation allows no underscore in a key.
OUTPUTS: Final[Mapping[str, str]] = {
    "TankOutboundQueueUrl": "TANK_OUTBOUND_QUEUE_URL",
    "TankPriorityQueueUrl": "TANK_PRIORITY_QUEUE_URL",
    "TankDeadLetterQueueUrl": "TANK_DEAD_LETTER_QUEUE_URL",
    "TankEventQueueUrl": "TANK_EVENT_QUEUE_URL",
    "TankEventTopicArns": "TANK_EVENT_TOPIC_ARNS",
    "TankConfigurationSet": "TANK_CONFIGURATION_SET",
}
USER_OUTPUT: Final = "MailerUserName"  # whose access key the daemon gets

TEMPLATE: Final = "config/aws/tank-mailer.yaml"
UPDATE: Final = f"update the stack with the {TEMPLATE} of this version: aws cloudformation deploy (docs/install.md)"

# What stands in a `.env` as it is, for python-dotenv, systemd and Docker alike: no space, quote, #, $ or backslash.
_PLAIN: Final = re.compile(r"[A-Za-z0-9:/._?&=%~+,@-]+")


def region_in(name: str) -> str | None:
    """The region that an ARN is of; None: a name, which is of every region."""
    match name.split(":"):
        case ["arn", _, "cloudformation", region, *_] if region:
            return region
        case _:
            return None


class Standing(Enum):
    """What a stack's status means for its outputs."""

    USABLE = auto()  # they stand for what is there
    CHANGING = auto()  # something is under way; what will be there is not known yet
    BROKEN = auto()  # it was never made, or could be brought neither forward nor back
    GONE = auto()  # it is deleted, or about to be


@dataclass(frozen=True, slots=True)
class Stack:
    """As CloudFormation describes it.

    Attributes:
        status: CloudFormation's word, such as `CREATE_COMPLETE`.
        outputs: values by key.
    """

    name: str
    status: str
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unusable:
    """Nothing can be taken from this stack."""

    detail: str
    remedy: str


def settings_of(stack: Stack) -> Mapping[str, str] | Unusable:
    """The settings that a stack's outputs are, by their names, all of them or none."""
    match standing_of(stack.status):
        case Standing.USABLE:
            pass
        case Standing.CHANGING:
            remedy = "run the command again when it is done (aws cloudformation describe-stacks tells)"
            return Unusable(f"the stack is not complete: {stack.status}", remedy)
        case Standing.BROKEN:
            remedy = "aws cloudformation describe-stack-events tells why; mend that, delete the stack, deploy it again"
            return Unusable(f"the stack is not complete: {stack.status}", remedy)
        case Standing.GONE:
            remedy = f"deploy {TEMPLATE} (docs/install.md); the queues of a deleted stack are still there"
            return Unusable(f"the stack is not there any more: {stack.status}", remedy)
    if missing := [key for key in OUTPUTS if not stack.outputs.get(key)]:
        what = "it has none of the outputs" if len(missing) == len(OUTPUTS) else f"it lacks {', '.join(missing)}"
        return Unusable(f"another stack, or one of an older template: {what}", UPDATE)
    if odd := [key for key in OUTPUTS if not _PLAIN.fullmatch(stack.outputs[key])]:
        return Unusable(f"no value of a setting: the output {', '.join(odd)}", UPDATE)
    return {name: stack.outputs[key] for key, name in OUTPUTS.items()}


def standing_of(status: str) -> Standing:
    """Read CloudFormation's word; one that is new counts as a change under way.

    After an update that was taken back (`UPDATE_ROLLBACK_COMPLETE`) what was there before is there.
    """
    if status in _USABLE:
        return Standing.USABLE
    if status.startswith("DELETE_"):
        return Standing.GONE
    if status.endswith("_FAILED") or status in {"ROLLBACK_COMPLETE", "ROLLBACK_IN_PROGRESS", "REVIEW_IN_PROGRESS"}:
        return Standing.BROKEN
    return Standing.CHANGING


_USABLE: Final = frozenset({
    *("CREATE_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
    *("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
})  # fmt: skip
