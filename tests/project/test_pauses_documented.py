"""The table of pauses in the operator's page is the one in the code."""

from pathlib import Path

from tank_mailer.core.pausing import RULES, Lift

PAGE = Path(__file__).parents[2] / "docs" / "governor.md"
ALSO_BY_PERSON = ", or by `tank-mailer resume`"


def test_each_pause_stands_in_the_page_with_what_ends_it() -> None:
    """Who is woken at night must not read of another program."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    wanted = []
    for rule in RULES:
        ends = f"`{rule.lift}`" if rule.lift is Lift.PERSON else str(rule.lift)
        if rule.by_person and rule.lift is not Lift.PERSON:
            ends += ALSO_BY_PERSON
        reasons = ", ".join(f"`{reason}`" for reason in rule.reasons)
        wanted.append(f"| `{rule.kind}` | {reasons} | {rule.extent} | {ends} |")
    assert rows == wanted
