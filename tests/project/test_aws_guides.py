"""What docs/aws-setup.md and section 1 of docs/install.md say of AWS is what the template and the program have."""

import re

from tank_mailer.cli.send_test import EXPECTED, Type
from tests.project.cloudformation import template
from tests.project.pages import ROOT
from tests.project.typed import commands

SETUP = ROOT / "docs" / "aws-setup.md"
INSTALL = ROOT / "docs" / "install.md"


def test_the_tests_of_the_guide_are_all_that_there_are() -> None:
    """Four kinds of jobs, in the order of the table, each with the end that it shows."""
    text = SETUP.read_text(encoding="utf-8")
    rows = re.findall(r"^\| [2-5] \| `([a-z-]+)` \| `([a-z]+)`", text, re.MULTILINE)

    assert rows == [(kind.value, EXPECTED[kind][0].value) for kind in Type]


def test_parameters_of_the_stack_are_those_of_the_template() -> None:
    parts = template()["Parameters"]
    found = [one.words for page in (SETUP, INSTALL) for one in commands(page)]
    deploys = [list(words) for words in found if words[1:3] == ("cloudformation", "deploy")]
    assert len(deploys) > 2

    for one in deploys:
        given = dict(part.split("=", 1) for part in one[one.index("--parameter-overrides") + 1 :])
        for name, value in given.items():
            allowed = parts[name].get("AllowedPattern", "|".join(parts[name].get("AllowedValues", [])))
            assert re.fullmatch(allowed, value)
        assert one[one.index("--capabilities") + 1] == "CAPABILITY_IAM"
        assert (ROOT / one[one.index("--template-file") + 1]).exists()


def test_every_parameter_is_documented_with_its_default() -> None:
    text = INSTALL.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Za-z]+)` \| (.*?) \|", text, re.MULTILINE))

    for name, one in template()["Parameters"].items():
        if name in {"TrustAnchorArn", "CertificateName"}:  # stand in the row of Access
            assert f"`{name}`" in text
            assert not one["Default"] or f"`{one['Default']}`" in text
        else:
            assert rows[name].startswith(f"`{one['Default']}`" if one.get("Default") else "none"), name


def test_names_of_the_template_in_the_guides_are_there() -> None:
    """Queues, outputs and statements that an operator is sent to look for."""
    text = "".join(page.read_text(encoding="utf-8") for page in (SETUP, INSTALL))
    queues = set(re.findall(r"`(tank-(?:outbound|priority|dead-letter|events|events-undelivered))`", text))
    resources = str(template()["Resources"])

    assert all(f"${{Name}}{one.removeprefix('tank')}" in resources for one in queues)
    assert "MailerUserName" in template()["Outputs"]
    assert all(f"'Sid': '{sid}'" in resources for sid in ("SendFrom", "SendThrough", "AccountSuppressionList"))
