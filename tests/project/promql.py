"""What a PromQL expression names: enough of the grammar to hold it against the catalogue, with or without promtool."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from tank_mailer.telemetry.measures import MEASURES, Kind, Measure, samples_of

KNOWN: Final[Mapping[str, Measure]] = {name: one for one in MEASURES for name in samples_of(one)}
OF_SCRAPING: Final = frozenset({"job", "instance"})  # Prometheus adds them to each series
OVER_COUNTERS: Final = frozenset({"rate", "increase"})
OVER_GAUGES: Final = frozenset({"changes", "predict_linear", "time"})

_SELECTOR = re.compile(r"(?<![\w:])(?P<name>tank_mailer_\w+|up)(?:\{(?P<matchers>[^}]*)\})?(?P<over>\[[^]]+\])?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_RECORDED = re.compile(r"\b(?P<level>\w+):tank_mailer_\w+:\w+(?:\{(?P<matchers>[^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")
_TEXT = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Selector:
    """One choice of series.

    Attributes:
        function: what stands right before it; "": nothing does.
        matchers: label, operator, value.
        over: its range, with brackets; "": none.
    """

    name: str
    function: str
    matchers: Sequence[tuple[str, str, str]]
    over: str


def selectors(expression: str) -> Iterator[Selector]:
    """All of ours, and `up`; not what rules have recorded."""
    for found in _SELECTOR.finditer(expression):
        before = re.search(r"(\w+)\($", expression[: found.start()])
        matchers = _MATCHER.findall(found["matchers"] or "")
        yield Selector(found["name"], before[1] if before else "", matchers, found["over"] or "")


def recorded(expression: str) -> set[str]:
    """Names of recorded series that it reads."""
    return {found[0].partition("{")[0] for found in _RECORDED.finditer(expression)}


def groupings(expression: str) -> set[str]:
    """Labels that it groups or joins by."""
    bare = _TEXT.sub('""', expression)
    lists = (names.split(",") for names in _GROUPING.findall(bare))
    return {name.strip() for name in chain.from_iterable(lists) if name.strip()}


def metrics(expression: str) -> set[str]:
    """Metrics of ours that it reads, as the catalogue calls them."""
    return {KNOWN[one.name].name for one in selectors(expression) if one.name in KNOWN}


def faults(expression: str) -> list[str]:
    """What does not fit the catalogue; nothing is best."""
    found = [
        f"{opening}{closing} not closed"
        for opening, closing in ("()", "[]", "{}")
        if not _closes(expression, opening, closing)
    ]
    for one in selectors(expression):
        found += _faults_of(one, expression)
    for read in _RECORDED.finditer(expression):
        found += _faults_of_recorded(read["level"], _MATCHER.findall(read["matchers"] or ""))
    allowed = OF_SCRAPING | set(chain.from_iterable(_labels(one.name) for one in selectors(expression)))
    if not recorded(expression):
        found += [f"grouped by {name}, which no series of it has" for name in groupings(expression) - allowed]
    return found


def _faults_of(one: Selector, expression: str) -> Iterator[str]:
    if one.name == "up":
        yield from (f"up has no label {label}" for label, _, _ in one.matchers if label not in OF_SCRAPING)
        return
    measure = KNOWN.get(one.name)
    if measure is None:
        yield f"{one.name} is not in the catalogue"
        return
    is_counted = measure.kind is not Kind.GAUGE
    if is_counted and (one.function not in OVER_COUNTERS or not one.over):
        yield f"{one.name} rises for ever: rate or increase, over a range"
    if not is_counted and one.function in OVER_COUNTERS:
        yield f"{one.name} is a gauge: no {one.function}"
    if one.name.endswith("_bucket") and "le" not in groupings(expression):
        yield f"{one.name}: its buckets are told apart by le"
    values = {label.name: label.values for label in measure.labels}
    for label, operator, value in one.matchers:
        if label in OF_SCRAPING:
            continue
        if label not in values:
            yield f"{one.name} has no label {label}"
            continue
        wanted = value.split("|") if operator.endswith("~") else [value]
        yield from (f"{one.name}: {label} is never {word}" for word in wanted if word not in values[label])
    if measure.kind is Kind.HISTOGRAM and one.name.endswith("_bucket") and "quantile" in expression:
        quantiles = re.findall(r"histogram_quantile\(([\d.]+),", expression)
        yield from (f"a quantile of {share}" for share in quantiles if not 0 < float(share) < 1)


def _faults_of_recorded(level: str, matchers: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Its name says what it is grouped by."""
    values = {label.name: label.values for measure in MEASURES for label in measure.labels}
    for label, operator, value in matchers:
        if label not in level.split("_"):
            yield f"{level}:... has no label {label}"
        wanted = value.split("|") if operator.endswith("~") else [value]
        yield from (f"{label} is never {word}" for word in wanted if word not in values.get(label, ()))


def _labels(name: str) -> Iterator[str]:
    measure = KNOWN.get(name)
    if measure is not None:
        yield from (label.name for label in measure.labels)
        if name.endswith("_bucket"):
            yield "le"


def _closes(expression: str, opening: str, closing: str) -> bool:
    bare = _TEXT.sub('""', expression)
    return bare.count(opening) == bare.count(closing)
