"""The daemon as a process, and who is told when something wants a person."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.whole.conftest import OpenSite, Site


@asynccontextmanager
async def receiver(told: list[dict[str, Any]]) -> AsyncIterator[str]:
    """Somebody's chat."""

    async def take(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/services/T0", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/services/T0"
    finally:
        await runner.cleanup()


def seen_at(site: Site) -> float:
    return max((row["seen_at"] for row in site.select("select seen_at from alerts")), default=0.0)


async def test_a_dead_letter_is_told_once_over_restarts_and_so_is_its_end(open_site: OpenSite) -> None:
    told: list[dict[str, Any]] = []
    async with receiver(told) as url, open_site(TANK_ALERT_WEBHOOK_URL=url, TANK_NODE="mail-1") as site:
        await site.put(["somebody's job"], url=site.url.replace("/jobs", "/dead"))
        daemon = await site.start()
        await site.until(lambda: len(told) == 1, daemon, what="the alert")
        await site.until(lambda: bool(site.select("select 1 from alerts where told_at is not null")), daemon)
        await site.until(lambda: bool(daemon.events()["alert_raised"]), daemon, what="its line in the log")
        raised = [line for line in daemon.lines if line["event"] == "alert_raised"]
        await daemon.stop(signal.SIGKILL)

        before = seen_at(site)
        daemon = await site.start()
        await site.until(lambda: seen_at(site) > before, daemon, what="a look after the restart")
        await daemon.stop(signal.SIGKILL)
        silent = len(told), daemon.events()["alert_raised"]

        site.standin.state.queues.named("dead").queue.purge()
        daemon = await site.start()
        await site.until(lambda: len(told) == 2, daemon, what="its end")
        await site.until(lambda: daemon.events()["alert_recovered"] == 1, daemon)
        await daemon.stop(signal.SIGKILL)

    assert [(line["alert"], line["about"], line["level"]) for line in raised] == [("dead_letters", "dead", "warning")]
    assert silent == (1, 0), "it was told before the restart"
    shapes = [alert for message in told for alert in message["alerts"]]
    assert [(one["alert"], one["status"], one["subject"], one["node"]) for one in shapes] == [
        ("dead_letters", "firing", "dead", "mail-1"),
        ("dead_letters", "recovered", "dead", "mail-1"),
    ]
    assert told[0]["text"].startswith("tank-mailer on mail-1: 1 alert\n[warning] dead_letters (dead) since ")
