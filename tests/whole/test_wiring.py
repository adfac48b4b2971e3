"""What the composition root puts together behind the sending: each setting of it does something in the real daemon."""

import json
import sqlite3
from contextlib import closing

import aiohttp
import pytest

from tank_mailer.core.address import address_hash
from tank_mailer.core.news import CANARY_PREFIX
from tests.builders import make_body
from tests.whole.conftest import OpenSite

TOKEN = "a-token-of-the-test-0123456789"


async def test_the_web_server_can_ask_for_a_jobs_fate(open_site: OpenSite, unused_tcp_port: int) -> None:
    listen = f"127.0.0.1:{unused_tcp_port}"
    async with open_site(has_events=True, TANK_HTTP_LISTEN=listen, TANK_HTTP_TOKEN=TOKEN) as site:
        await site.put([make_body(email_id="orders/1", to="success@simulator.amazonses.com")])
        daemon = await site.start()
        await site.until(lambda: bool(site.select("select 1 from events where kind = 'delivery'")), daemon)
        url, shown = f"http://{listen}/v1/emails/orders%2F1", {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession() as http, http.get(url) as unasked, http.get(url, headers=shown) as answer:
            refused, status, told = unasked.status, answer.status, await answer.json()
        await daemon.stop()

    assert (refused, status) == (401, 200)
    assert told["state"] == "accepted"
    assert [(one["address"], one["status"]) for one in told["recipients"]] == [
        ("success@simulator.amazonses.com", "delivered")
    ]
    assert [event["type"] for event in told["events"]] == ["Send", "Delivery"]


async def test_what_aws_bills_for_is_on_record_when_the_daemon_has_stopped(open_site: OpenSite) -> None:
    async with open_site(has_events=True) as site:
        await site.put_jobs(2)
        daemon = await site.start()
        await site.until(lambda: len(site.select("select 1 from events")) >= 4, daemon, what="events")
        await daemon.stop()

        counts = {row["name"]: row["count"] for row in site.select("select name, count from usage")}
        counted = site.standin.state.counts
        by_the_daemon = sum(counted.of("sqs", name) for name in counted.shown()["sqs"] if not name.startswith("Send"))
        assert (counts["mails"], counts["recipients"], counts["sns_notifications"]) == (2, 2, 4)
        assert counts["sqs_requests"] == by_the_daemon >= 4, "two receives and two deletes at the least"
        assert counts["data_bytes"] > 2 * len("<p>")


async def test_an_idle_daemon_sends_a_canary(open_site: OpenSite) -> None:
    async with open_site(has_events=True, TANK_CANARY_FROM="canary@example.com") as site:
        daemon = await site.start()
        await site.until(lambda: site.depth("events") == 0 and bool(site.states()["accepted"]), daemon, what="canary")
        await daemon.stop()

        (email_id,) = site.rows()
        assert email_id.startswith(CANARY_PREFIX)
        assert site.accepted()[email_id] == 1


async def test_an_address_that_nothing_reaches_is_held_back(open_site: OpenSite) -> None:
    async with open_site(has_events=True, TANK_STALE_AFTER_DAYS="30") as site:
        daemon = await site.start()
        await site.until(lambda: daemon.events()["daemon_started"] == 1, daemon)
        with closing(sqlite3.connect(site.store, timeout=30)) as db, db:
            old = (address_hash("silent@example.org"), 0.0)
            db.execute("insert into addresses (hash, first_mailed_at) values (?, ?)", old)
        await site.put([make_body(email_id="stale", to="silent@example.org")])
        await site.until(lambda: "stale" in site.rows(), daemon)
        await daemon.stop()

        row = site.rows()["stale"]
        assert (row["state"], row["reason"]) == ("suppressed", "stale")
        assert not site.accepted()


async def test_unsigned_events_are_put_aside_where_signatures_are_checked(open_site: OpenSite) -> None:
    """The stand-in's signatures are none: nothing of what it says is believed."""
    async with open_site(has_events=True, TANK_VERIFY_SNS_SIGNATURES="on") as site:
        await site.put_jobs(1)
        daemon = await site.start()
        await site.until(lambda: len(site.select("select 1 from asides")) == 2, daemon, what="two asides")
        await daemon.stop()

        assert {row["reason"] for row in site.select("select reason from asides")} == {"bad_signature"}
        assert not site.select("select 1 from events")


@pytest.mark.parametrize("topic", ["arn:aws:sns:eu-west-1:000000000000:another"])
async def test_a_topic_that_is_not_pinned_is_not_believed(open_site: OpenSite, topic: str) -> None:
    async with open_site(has_events=True, TANK_EVENT_TOPIC_ARNS=topic) as site:
        await site.put_jobs(1)
        daemon = await site.start()
        await site.until(lambda: len(site.select("select 1 from asides")) == 2, daemon, what="two asides")
        await daemon.stop()

        assert {row["reason"] for row in site.select("select reason from asides")} == {"foreign_topic"}
        assert all(json.loads(row["raw"]) for row in site.select("select raw from asides"))
