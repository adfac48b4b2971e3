"""A report as one HTML file that opens anywhere, without a network: everything in it is escaped, nothing is loaded."""

from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tank_mailer import __version__
from tank_mailer.cli.options import printable
from tank_mailer.cli.report.charts import draw
from tank_mailer.cli.report.terminal import partial
from tank_mailer.cli.terminal import shown_time
from tank_mailer.core.reports.document import Cell, Chart, Form, Mark, Report
from tank_mailer.core.reports.spell import spell

TEMPLATE: Final = "page.html.j2"
WORDS: Final = {
    Mark.GOOD: "good",
    Mark.WARN: "worth a look",
    Mark.BAD: "bad",
    Mark.UNKNOWN: "not known",
    Mark.TOLD: "",
}


def page(report: Report) -> str:
    """The whole file."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"safe_text": printable, "spell": _spelled, "chart": _drawn}
    text = files("tank_mailer.cli.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(
        report=report,
        partial=partial(report),
        made_at=shown_time(report.made_at),
        version=__version__,
        words=WORDS,
        findings=report.marked(Mark.BAD, Mark.WARN),
        unknown=report.marked(Mark.UNKNOWN),
        text_form=Form.TEXT,
    )


def _spelled(cell: Cell, form: Form) -> str:
    return printable(spell(cell, form))


def _drawn(chart: Chart) -> Markup:
    return Markup(draw(chart))  # noqa: S704 - pygal escapes names and labels; a test holds it
