"""Charts as SVG that stands in a page by itself: no script, no font, no style from elsewhere."""

import re
import sys
from collections.abc import Callable
from typing import Any, Final

import pygal
from pygal.style import Style

from tank_mailer.core.reports.document import Chart, ChartKind
from tank_mailer.core.reports.spell import spell

WIDTH, HEIGHT = 860, 300
MOST_LABELS: Final = 16  # on an axis, before they overlap
MOST_LABEL_CHARACTERS: Final = 28
FONT: Final = "sans-serif"
COLOURS: Final = ("#2f6fb0", "#d08a1d", "#b8413a", "#7a8794", "#4c8f5a")
# Colours that both a light and a dark page bear; the page's own colour shows through.
STYLE: Final = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#7a8794",
    foreground_strong="#7a8794",
    foreground_subtle="#7a8794",
    guide_stroke_color="#9aa5b1",
    major_guide_stroke_color="#9aa5b1",
    colors=COLOURS,
    font_family=FONT,
    label_font_size=12,
    major_label_font_size=12,
    legend_font_size=13,
    tooltip_font_size=12,
    stroke_width=2.5,
    opacity=".85",
)
_MAKERS: Final[dict[ChartKind, Callable[..., Any]]] = {
    ChartKind.LINE: pygal.Line,
    ChartKind.BARS: pygal.Bar,
    ChartKind.STACKED: pygal.StackedBar,
}
# Pygal's importer of maps, which are not used here, is of Python 2's kind: each later import would warn of it.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
_SCRIPTS: Final = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_COMMENTS: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_LINKS: Final = re.compile(r"\s(?:xlink:)?href=\"[^\"]*\"")


def draw(chart: Chart) -> str:
    """An `svg` element; "" where there is nothing to draw."""
    if not chart.labels:
        return ""
    labels = [_short(label) for label in chart.labels]
    every = -(-len(labels) // MOST_LABELS)
    made = _MAKERS[chart.kind](
        style=STYLE,
        js=(),  # pygal's own script would come from another server
        disable_xml_declaration=True,
        no_prefix=False,
        explicit_size=False,
        width=WIDTH,
        height=HEIGHT,
        legend_at_bottom=True,
        legend_at_bottom_columns=len(chart.series),  # rows that are not full are cut off
        show_legend=len(chart.series) > 1,
        x_label_rotation=30 if len(labels) * max(map(len, labels)) > WIDTH // 9 else 0,
        x_labels_major_every=every if every > 1 else None,
        show_minor_x_labels=every == 1,
        value_formatter=lambda value: spell(value, chart.form),
        show_dots=len(labels) <= MOST_LABELS,
        dots_size=2.5,
        margin=8,
        range=(0, 1) if chart.kind is ChartKind.STACKED else None,
        include_x_axis=True,
        no_data_text="no mail",
    )
    made.x_labels = labels
    for name, values in chart.series.items():
        made.add(name, list(values))
    return _alone(made.render(is_unicode=True))


def _short(label: str) -> str:
    text = "".join(one if one.isprintable() else "?" for one in label)
    return text if len(text) <= MOST_LABEL_CHARACTERS else f"{text[: MOST_LABEL_CHARACTERS - 1]}…"


def _alone(svg: str) -> str:
    """Without what would ask for anything: pygal writes a script with its settings, comments and links."""
    return _LINKS.sub("", _COMMENTS.sub("", _SCRIPTS.sub("", svg)))
