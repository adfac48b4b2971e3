"""The real daemon as Prometheus, a load balancer, a container and a supervisor see it."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.metering import read, sample, strangers
from tests.whole.conftest import PATIENCE_S, Daemon, OpenSite, Site

HANGING = Path(__file__).with_name("hanging.py")
PROMTOOL = shutil.which("promtool")


async def get(listen: str, path: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as http, http.get(f"http://{listen}{path}") as answer:
        return answer.status, await answer.read()


async def test_a_daemon_at_work(open_site: OpenSite, unused_tcp_port: int) -> None:
    """What it tells is what an observer outside has seen."""
    listen = f"127.0.0.1:{unused_tcp_port}"
    async with open_site(has_events=True, has_priority=True, TANK_HTTP_LISTEN=listen) as site:
        await site.put_jobs(20)
        await site.put_jobs(5, "urgent", url=site.urgent_url)
        await site.put(["not json"])
        daemon = await site.start()
        await site.until(lambda: len(site.select("select 1 from events")) == 50, daemon, what="all events")
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        await site.until((site.folder / "heartbeat").exists, daemon, what="a heartbeat")
        (alive, live), (ready, readiness) = await get(listen, "/healthz"), await get(listen, "/readyz")
        status, scrape = await get(listen, "/metrics")
        await daemon.stop(signal.SIGKILL)  # a drain would wait for its long polls

    found = read(scrape)
    assert (alive, json.loads(live)["alive"]) == (200, True)
    assert set(json.loads(live)["loops"]) == {
        *("loop", "store", "lane/priority", "polls/priority", "lane/ordinary", "polls/ordinary"),
        *("events/1", "events/2", "event_writer"),
    }
    assert (ready, json.loads(readiness)) == (200, {"ready": True, "reasons": [], "beside": []})
    assert status == 200
    assert strangers(scrape) == []
    assert b"@" not in scrape
    assert found[sample("recipients_accepted_total", lane="ordinary")] == 20
    assert found[sample("recipients_accepted_total", lane="priority")] == 5
    assert found[sample("jobs_settled_total", verdict="delete", reason="not_json")] == 1
    assert found[sample("events_recorded_total", kind="delivery")] == 25
    assert found[sample("last_poll_timestamp_seconds", queue="events")] > found[sample("start_timestamp_seconds")]
    assert found[sample("store_transaction_seconds_count")] > 0
    assert sum(number for (name, _), number in found.items() if name == "pauses") == 0
    if PROMTOOL is not None:
        check = [PROMTOOL, "check", "metrics"]
        done = await asyncio.to_thread(subprocess.run, check, input=scrape, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_what_the_store_the_queues_and_the_alerts_say_is_shown(open_site: OpenSite, unused_tcp_port: int) -> None:
    """None of it is the node's own: it is asked now and then, and must not be missing where all else is."""
    listen = f"127.0.0.1:{unused_tcp_port}"
    async with open_site(TANK_HTTP_LISTEN=listen) as site:
        await site.put(["somebody's job"], url=site.url.replace("/jobs", "/dead"))
        daemon = await site.start()
        await site.until(lambda: bool(daemon.events()["alert_raised"]), daemon, what="the alert")
        _, scrape = await get(listen, "/metrics")
        await daemon.stop(signal.SIGKILL)

    found = read(scrape)
    assert found[sample("dead_letter_queue_messages", lane="ordinary")] == 1
    assert found[sample("alerts_firing", alert="dead_letters", severity="warning")] == 1
    assert found[sample("jobs_unfinished", state="in_doubt")] == 0
    assert found[sample("outbox_letters")] == 0
    assert found[sample("store_free_bytes")] > 0


async def test_a_daemon_whose_queue_is_missing_lives_and_is_not_ready(
    open_site: OpenSite, unused_tcp_port: int
) -> None:
    """A new start would not make the queue; and whoever asks is told what is wrong."""
    listen = f"127.0.0.1:{unused_tcp_port}"
    odd = {"TANK_CLOUDWATCH_NAMESPACE": "Tank", "TANK_LOG_LEVEL": "warning"}
    async with open_site(TANK_HTTP_LISTEN=listen, **odd) as site:
        daemon = await site.start(TANK_OUTBOUND_QUEUE_URL=f"{site.standin.url}/000000000000/nowhere")
        await site.until(lambda: daemon.events()["pause_begun"] > 0, daemon, what="a pause")
        (alive, _), (ready, readiness) = await get(listen, "/healthz"), await get(listen, "/readyz")
        _, scrape = await get(listen, "/metrics")
        await daemon.stop(signal.SIGKILL)  # a drain would wait for its long polls

    found = read(scrape)
    (reason,) = json.loads(readiness)["reasons"]
    assert (alive, ready) == (200, 503)
    assert (reason["reason"], reason["concern"], reason["lane"]) == ("paused", "queue", "ordinary")
    assert {"pause", "since", "next_probe_at", "lifted_by"} <= reason.keys()
    assert found[sample("pauses", concern="queue", reason="queue_missing")] == 1
    assert found[sample("ready")] == 0
    odd_ones = [line["detail"] for line in daemon.lines if line["event"] == "setting_odd"]
    assert any("TANK_CLOUDWATCH_NAMESPACE" in detail for detail in odd_ones)


# --- what hangs ------------------------------------------------------------------------------------


@asynccontextmanager
async def hanging(site: Site, what: str) -> AsyncIterator[Daemon]:
    """A daemon with a bug; it is killed at the end if it is still there."""
    log = site.folder / "log-hanging"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, HANGING, "run"),
            cwd=site.folder,
            env=site.environment | {"HANGS": what},
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
        )
    daemon = Daemon(process, log, site.standin)
    try:
        yield daemon
    finally:
        await daemon.stop(signal.SIGKILL)


@pytest.mark.parametrize(
    ("what", "hang", "where", "place"),
    [
        pytest.param("loop", "loop", "loop_at", "stand_still", id="the-loop"),
        pytest.param("lane", "lane/ordinary", "waits_at", "lane_hangs", id="a-lane-in-a-loop-that-turns"),
    ],
)
async def test_what_hangs_is_ended_and_told(open_site: OpenSite, what: str, hang: str, where: str, place: str) -> None:
    """A loop that hangs cannot see that it does; the supervisor's next start sends what waits."""
    async with open_site() as site:
        await site.put_jobs(3)
        async with hanging(site, what) as daemon, asyncio.timeout(PATIENCE_S):
            code = await daemon.process.wait()
        lost = next(line for line in daemon.lines if line["event"] == "liveness_lost" and line["hang"] == hang)
        aborted = daemon.lines[-1]
        again = await site.start()
        await site.until(lambda: site.depth() == 0, again, what="an empty queue")

        assert code == 1
        assert lost[where].rpartition(" > ")[2].endswith(f" {place}") or f" {place} > " in lost[where]
        assert (aborted["event"], aborted["exit_code"]) == ("daemon_aborted", 1)
        assert hang in aborted["hang"]
        assert set(site.accepted().values()) == {1}
        assert len(site.accepted()) == 3
