"""The daemon as a process, and what SES reports: statuses, suppressions, doubts settled; an outside observer judges."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tank_mailer.core.status import Status
from tank_mailer.standin import Kind, Rule
from tests.builders import make_body
from tests.whole.conftest import PATIENCE_S, OpenSite, Site

SIMULATED = {
    "success@simulator.amazonses.com": Status.DELIVERED,
    "bounce@simulator.amazonses.com": Status.HARD_BOUNCED,
    "complaint@simulator.amazonses.com": Status.COMPLAINED,
    "ooto@simulator.amazonses.com": Status.DELIVERED,
    "suppressionlist@simulator.amazonses.com": Status.HARD_BOUNCED,
}


def finals(site: Site) -> dict[str, Status]:
    return {row["address"]: Status(row["status"]) for row in site.select("select address, status from recipients")}


def is_delivered(site: Site, email_id: str) -> bool:
    return finals(site).get(f"{email_id}@example.org") is Status.DELIVERED


def suppressed(site: Site) -> set[str]:
    return {row["address"] for row in site.select("select address from suppressions")}


async def test_what_becomes_of_mail_comes_back(open_site: OpenSite) -> None:
    """Each recipient has the status that SES reported, and who must not be mailed again is not."""
    async with open_site(has_events=True) as site:
        await site.put(make_body(email_id=f"first-{n}", to=to) for n, to in enumerate(SIMULATED))
        daemon = await site.start()
        await site.until(lambda: finals(site) == SIMULATED and site.depth("events") == 0, daemon, what="statuses")
        await site.put(make_body(email_id=f"second-{n}", to=to) for n, to in enumerate(SIMULATED))
        await site.until(lambda: len(site.rows()) == 10 and site.depth() == 0, daemon, what="the second round")
        code = await daemon.stop()

        states = {email_id: row["state"] for email_id, row in site.rows().items()}
        assert code == 0
        assert suppressed(site) == {to for to, status in SIMULATED.items() if status > Status.DELIVERED}
        assert Counter(states.values()) == {"accepted": 7, "suppressed": 3}
        assert len(site.standin.state.mailbox.log) == 7, "SES got nothing for the suppressed"


@pytest.mark.parametrize("hold", [False, True], ids=["resend", "hold"])
async def test_a_swallowed_answer_and_its_event_are_one_mail(open_site: OpenSite, *, hold: bool) -> None:
    """Answers lost while the events come: exactly one mail each, settled without waiting for the window's end."""
    changes = {"TANK_IN_DOUBT_WAIT_S": "900", "TANK_IN_DOUBT": "hold" if hold else "resend"}
    async with open_site(has_events=True, **changes) as site:
        site.standin.state.faults.add(
            Rule(kind=Kind.RESET_AFTER, service="ses", operation="SendEmail", after=5, times=4, processed=True)
        )
        ids = await site.put_jobs(20)
        daemon = await site.start()
        await site.until(lambda: site.states() == {"accepted": 20} and site.depth() == 0, daemon, what="settled")
        await daemon.stop()

        assert site.accepted() == Counter(ids)
        assert site.depth("dead") == 0
        assert daemon.events()["doubt_settled"] == 4


async def test_killed_between_writing_and_deleting_counts_nothing_twice(open_site: OpenSite) -> None:
    """A kill -9 in the middle of a backlog of events, again and again: every event is counted once, none is lost."""
    async with open_site(has_events=True, TANK_WEBHOOK_URL="http://127.0.0.1:9/", TANK_WEBHOOK_SECRET=SECRET) as site:
        ids = await site.put_jobs(150)
        daemon = await site.start()
        for _ in range(4):
            before = len(site.select("select key from events"))
            await site.until(lambda before=before: len(site.select("select key from events")) > before, daemon)
            await daemon.stop(signal.SIGKILL)
            daemon = await site.start()
        async with asyncio.timeout(3 * PATIENCE_S):  # leases run out, then looks at the event queue must find nothing
            while site.statuses() != {Status.DELIVERED: len(ids)}:
                [late] = await site.put_jobs(1, prefix=f"late-{len(ids)}")  # as mail goes on: what comes back of it
                ids.append(late)  # shows that the channel lives, and so what was lost is sent again
                await site.until(lambda late=late: is_delivered(site, late), daemon, what="a delivery")
        await daemon.stop()

        told = Counter(row["email_id"] for row in site.select("select email_id from outbox"))
        assert set(site.accepted()) == set(ids)
        assert set(site.accepted().values()) == {1}, "what SES had accepted, its events have told"
        assert set(told.values()) == {2}, "accepted, delivered: each once"


SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="


@asynccontextmanager
async def web_server(told: list[dict[str, Any]], *, failures: int = 0) -> AsyncIterator[str]:
    """The customer's receiver: verifies as its library does, and fails at first."""
    left = [failures]

    async def receive(request: web.Request) -> web.Response:
        body = await request.text()
        data = Webhook(SECRET).verify(body, dict(request.headers))
        if left[0]:
            left[0] -= 1
            return web.Response(status=500)
        told.append({"id": request.headers["webhook-id"], **data})
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        await runner.cleanup()


async def test_the_web_server_is_told_in_order(open_site: OpenSite) -> None:
    told: list[dict[str, Any]] = []
    async with (
        web_server(told, failures=2) as url,
        open_site(has_events=True, TANK_WEBHOOK_URL=url, TANK_WEBHOOK_SECRET=SECRET) as site,
    ):
        await site.put(
            [
                make_body(email_id="good", to="complaint@simulator.amazonses.com"),
                make_body(email_id="bad", to="nobody"),
            ]
        )
        daemon = await site.start()
        await site.until(lambda: len(told) >= 4, daemon, what="news")
        await daemon.stop()

    good = [one["data"]["status"] for one in told if one["data"]["email_id"] == "good"]
    assert good == sorted(good, key=lambda word: Status[word.upper()])
    assert good[-1] == "complained"
    assert [one["data"]["state"] for one in told if one["data"]["email_id"] == "bad"] == ["invalid"]
    assert len({one["id"] for one in told}) == len(told)


@pytest.mark.parametrize("disorder", ["doubled", "shuffled"])
async def test_doubled_and_shuffled_events_tell_the_same(open_site: OpenSite, disorder: str) -> None:
    async with open_site(has_events=True) as site:
        events = site.standin.state.events
        events.change({"copies": 8} if disorder == "doubled" else {"shuffle_s": 1.0})
        await site.put(make_body(email_id=f"job-{n}", to=to) for n, to in enumerate(SIMULATED))
        daemon = await site.start()
        await site.until(lambda: finals(site) == SIMULATED, daemon, what="statuses")
        await site.until(lambda: site.depth("events") == 0, daemon, what="an empty event queue")
        await daemon.stop()

        assert finals(site) == SIMULATED
        keys = [row["key"] for row in site.select("select key from events")]
        assert len(keys) == len(set(keys))
