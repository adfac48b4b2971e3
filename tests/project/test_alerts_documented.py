"""The table of alerts in the operator's page is the one in the code."""

from pathlib import Path

from tank_mailer.core.alerts import RULES, AlertRule

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"


def test_each_alert_stands_in_the_page_with_its_remedy() -> None:
    """Who is woken at night must not read of another program."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]

    assert rows == [row_of(rule) for rule in RULES.values()]


def row_of(rule: AlertRule) -> str:
    raised, ended = (_for(seconds) for seconds in (rule.raise_after_s, rule.clear_after_s))
    cells = (
        f"`{rule.name}`",
        rule.severity,
        rule.about or "\N{EN DASH}",
        f"{rule.when}{raised}",
        f"{rule.ends}{ended}",
    )
    return f"| {' | '.join((*cells, rule.remedy))} |"


def _for(seconds: float) -> str:
    return f", for {seconds / 60:g} min" if seconds else ""
