"""The template of config/aws, read as CloudFormation reads it: parameters in, functions carried out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # moto brings it along

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "config" / "aws" / "tank-mailer.yaml"
ACCOUNT_ID, REGION = "123456789012", "eu-west-1"
QUEUE = "AWS::SQS::Queue"
NO_VALUE = object()  # AWS::NoValue: the entry or property is not there


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # no types
    """With CloudFormation's short forms: `!Ref` and the like."""


def _long_form(loader: Any, tag: str, node: Any) -> Any:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _long_form)


@cache
def template() -> dict[str, Any]:
    """As it stands there, in long forms; nobody changes it."""
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe one
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The template with parameters given, of an account and region."""

    parameters: Mapping[str, str]
    account_id: str = ACCOUNT_ID
    region: str = REGION
    parts: Mapping[str, Any] = field(default_factory=template)

    def resources(self, kind: str | None = None) -> dict[str, dict[str, Any]]:
        """Those that are made, of one type or of all, each with its properties carried out."""
        return {
            name: {**one, "Properties": self.resolve(one.get("Properties", {}))}
            for name, one in self.parts["Resources"].items()
            if (kind is None or one["Type"] == kind) and ("Condition" not in one or self.holds(one["Condition"]))
        }

    def properties(self, name: str) -> dict[str, Any]:
        """Of one resource."""
        found: dict[str, Any] = self.resolve(self.parts["Resources"][name]["Properties"])
        return found

    def outputs(self) -> dict[str, str]:
        """By their keys."""
        return {
            key: self.resolve(one["Value"])
            for key, one in self.parts["Outputs"].items()
            if "Condition" not in one or self.holds(one["Condition"])
        }

    def complaints(self) -> list[str]:
        """What the template's rules have against the parameters."""
        return [
            one["AssertDescription"]
            for rule in self.parts.get("Rules", {}).values()
            if self.resolve(rule["RuleCondition"])
            for one in rule["Assertions"]
            if not self.resolve(one["Assert"])
        ]

    def holds(self, condition: str) -> bool:
        """Whether a condition is met."""
        return bool(self.resolve(self.parts["Conditions"][condition]))

    def resolve(self, value: Any) -> Any:  # noqa: C901, PLR0912 - one case for each function
        """Carry all functions out."""
        match value:
            case {"Ref": "AWS::NoValue"}:
                return NO_VALUE
            case {"Ref": str(name)}:
                return self._ref(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {})
            case {"Fn::Sub": [str(text), dict(local)]}:
                return self._substituted(text, self.resolve(local))
            case {"Fn::If": [str(condition), yes, no]}:
                return self.resolve(yes if self.holds(condition) else no)
            case {"Fn::Equals": [one, other]}:
                return self.resolve(one) == self.resolve(other)
            case {"Fn::Or": list(several)}:
                return any(self.resolve(one) for one in several)
            case {"Fn::Not": [one]}:
                return not self.resolve(one)
            case {"Fn::Join": [str(between), parts]}:
                return between.join(self.resolve(parts))
            case {"Fn::Split": [str(between), text]}:
                return self.resolve(text).split(between)
            case {"Fn::Select": [int(index), parts]}:
                return self.resolve(parts)[index]
            case dict():
                assert not [key for key in value if str(key).startswith("Fn::")], f"unknown to this reader: {value}"
                made = {key: self.resolve(inner) for key, inner in value.items()}
                return {key: inner for key, inner in made.items() if inner is not NO_VALUE}
            case list():
                return [one for one in map(self.resolve, value) if one is not NO_VALUE]
            case _:
                return value

    def _substituted(self, text: str, local: Mapping[str, str]) -> str:
        start, *rest = text.split("${")
        pieces = [start]
        for piece in rest:
            name, _, after = piece.partition("}")
            pieces += [local[name] if name in local else self._variable(name), after]
        return "".join(pieces)

    def _variable(self, name: str) -> str:
        if name.startswith("!"):  # stands as it is: a variable of IAM
            return f"${{{name[1:]}}}"
        return self._attribute(*name.split(".")) if "." in name else self._ref(name)

    def _ref(self, name: str) -> str:
        pseudo = {"AWS::AccountId": self.account_id, "AWS::Region": self.region, "AWS::Partition": "aws"}
        if name in pseudo:
            return pseudo[name]
        if name in self.parts["Parameters"]:
            given = self.parameters.get(name, self.parts["Parameters"][name].get("Default"))
            assert given is not None, f"the parameter {name} has no default"
            return str(given)
        match self.parts["Resources"][name]:
            case {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": queue}}:
                return f"https://sqs.{self.region}.amazonaws.com/{self.account_id}/{self.resolve(queue)}"
            case {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": topic}}:
                return f"arn:aws:sns:{self.region}:{self.account_id}:{self.resolve(topic)}"
            case {"Type": "AWS::SES::ConfigurationSet", "Properties": {"Name": own}}:
                return str(self.resolve(own))
            case _:
                return name  # CloudFormation makes one up

    def _attribute(self, name: str, attribute: str) -> str:
        match self.parts["Resources"][name], attribute:
            case {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": queue}}, "Arn":
                return f"arn:aws:sqs:{self.region}:{self.account_id}:{self.resolve(queue)}"
            case {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": queue}}, "QueueName":
                return str(self.resolve(queue))
            case _:
                return f"{name}.{attribute}"
