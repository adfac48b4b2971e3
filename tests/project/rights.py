"""What IAM is asked for and what it allows: the calls in the code, the calls that were seen, and the policy."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tank_mailer"
POLICY = ROOT / "config" / "aws" / "iam-policy.json"

# IAM's word for each of the SDK's services; it knows both SES APIs by one.
PREFIXES: Mapping[str, str] = {
    "cloudformation": "cloudformation",
    "cloudwatch": "cloudwatch",
    "iam": "iam",
    "service-quotas": "servicequotas",
    "ses": "ses",
    "sesv2": "ses",
    "sns": "sns",
    "sqs": "sqs",
    "sts": "sts",
}
FREE = frozenset({"sts:GetCallerIdentity"})  # nobody needs a right for it (aws-facts 8.2)
# Called with the key of whoever makes the stack, not with the daemon's.
OF_ANOTHER_KEY = frozenset({"cloudformation:DescribeStacks"})  # config from-stack


@dataclass(frozen=True, slots=True)
class Call:
    """A place in the code that makes a call."""

    method: str
    action: str
    place: str


def action_of(service: str, operation: str) -> str:
    """The right for an operation; batches are allowed by the single call's (aws-facts 5.2)."""
    return f"{PREFIXES[service]}:{operation.removesuffix('Batch') if service == 'sqs' else operation}"


@cache
def services() -> frozenset[str]:
    """The SDK's services that a client is made of anywhere but in the stand-in."""
    texts = [path.read_text(encoding="utf-8") for path in _modules()]
    return frozenset(name for text in texts for name in re.findall(r"\.client\(\s*\"([a-z0-9-]+)\"", text))


@cache
def operations() -> Mapping[str, frozenset[str]]:
    """The actions that a method of one of those clients stands for, by the method's name."""
    session = botocore.session.get_session()
    found: dict[str, frozenset[str]] = {}
    for service in services():
        for operation in session.get_service_model(service).operation_names:
            name = xform_name(operation)
            found[name] = found.get(name, frozenset()) | {action_of(service, operation)}
    return found


@cache
def calls() -> tuple[Call, ...]:
    """All places where an attribute, or what a paginator is made for, is called like a method of a client."""
    return tuple(
        Call(name, action, f"{path.relative_to(ROOT)}:{line}")
        for path in _modules()
        for line, name in _names(ast.parse(path.read_text(encoding="utf-8")))
        for action in sorted(operations().get(name, ()))
    )


def own_names() -> set[str]:
    """All functions that the package defines."""
    return {
        node.name
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def recorded(counts: Mapping[str, Mapping[str, object]]) -> set[str]:
    """The actions of what a stand-in has counted, by service and operation; what it does not know counts as none."""
    known = {action for actions in operations().values() for action in actions}
    return {action_of(service, operation) for service, seen in counts.items() for operation in seen} & known


def statements(policy: Path = POLICY) -> list[dict[str, Any]]:
    """The policy's, in order."""
    found: list[dict[str, Any]] = json.loads(policy.read_text(encoding="utf-8"))["Statement"]
    return found


def each(value: str | list[str]) -> list[str]:
    """IAM takes a text for a list of one."""
    return [value] if isinstance(value, str) else value


def allowed() -> set[str]:
    """Every action of every statement."""
    return {action for one in statements() for action in each(one["Action"])}


def _modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "standin" not in path.parts]


def _names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, lineno=line):
                yield line, name
            case ast.Call(
                func=ast.Attribute(attr="get_paginator" | "get_waiter"),
                args=[ast.Constant(value=str(name))],
                lineno=line,
            ):
                yield line, name
            case _:
                pass
