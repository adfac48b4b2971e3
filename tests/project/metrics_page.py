"""docs/metrics.md, out of the catalogue: `python -m tests.project.metrics_page > docs/metrics.md`."""

from collections.abc import Iterator

from tank_mailer.telemetry.measures import MEASURES, Kind, Label, Measure

HEAD = """# Metrics

What `GET /metrics` on the daemon's own HTTP server tells (`TANK_HTTP_LISTEN`; how to scrape it: [health.md](health.md); rules and a
board: [monitoring.md](monitoring.md)), in Prometheus's text format. Counters and histograms are of this process, since its start. Gauges are how things stand at the moment of
the scrape, as far as is known by then: a scrape asks neither AWS nor the store. What is not known is missing rather than 0.
Where a rule must find something, counters are there from the start. Labels come from closed sets, at the end of this page;
no metric names an address, a job or a sender.

This page is made from the code: `python -m tests.project.metrics_page > docs/metrics.md`, and a test holds the two together.

| metric | type | labels | meaning |
| --- | --- | --- | --- |"""

BUCKETS = """
## Buckets

Upper bounds in seconds; each has `+Inf` besides.

| histogram | bounds |
| --- | --- |"""

LABELS = """
## Labels

| label | what it is | values |
| --- | --- | --- |"""

QUESTIONS = """
## Asked often

| question | PromQL |
| --- | --- |
| mails a second | `rate(tank_mailer_attempts_total{outcome="accepted"}[5m])` |
| how much of the rate is used | `sum(rate(tank_mailer_tokens_used_total[5m])) / on() tank_mailer_rate_in_force_recipients_per_second` |
| attempts that did not end in acceptance | `sum by (outcome, reason) (rate(tank_mailer_attempts_total{outcome!="accepted"}[5m]))` |
| 99 % of priority jobs end within | `histogram_quantile(0.99, sum by (le) (rate(tank_mailer_job_age_seconds_bucket{lane="priority"}[15m])))` |
| what is paused, and why | `tank_mailer_pauses > 0` |
| for how long | `time() - tank_mailer_pause_since_timestamp_seconds` |
| not polled for two minutes, though nothing is paused | `time() - tank_mailer_last_poll_timestamp_seconds{queue!="events"} > 120 and on() sum(tank_mailer_pauses) == 0` |
| dead letters of the last hour | `sum by (reason) (increase(tank_mailer_dead_letters_total[1h]))` |
| doubts that ended in a second mail that may be one too many | `increase(tank_mailer_doubts_ended_total{ending="resent"}[1d])` |
| share of the daily quota | `tank_mailer_quota_used_recipients / tank_mailer_quota_limit_recipients` |"""


def page() -> str:
    """All of it."""
    rows = [HEAD, *(_row(one) for one in MEASURES)]
    rows += [BUCKETS, *(_buckets(one) for one in MEASURES if one.kind is Kind.HISTOGRAM)]
    rows += [LABELS, *_labels(), QUESTIONS]
    return "\n".join(rows)


def _row(measure: Measure) -> str:
    labels = " ".join(f"`{label.name}`" for label in measure.labels)
    return f"| `{measure.full_name}` | {measure.kind} | {labels} | {measure.meaning} |"


def _buckets(measure: Measure) -> str:
    return f"| `{measure.full_name}` | {' '.join(f'{bound:g}' for bound in measure.buckets)} |"


def _labels() -> Iterator[str]:
    labels: dict[str, Label] = {label.name: label for measure in MEASURES for label in measure.labels}
    for label in labels.values():
        values = () if label.name == "version" else label.values  # the page is of every version
        yield f"| `{label.name}` | {label.whose} | {' '.join(f'`{value}`' for value in values)} |"


if __name__ == "__main__":
    print(page())
