"""The daemon as its operators know it: start, work, stop, killed, and what an observer outside sees."""

import asyncio
import json
import os
import random
import signal
import socket
import sys

import pytest

from tank_mailer.standin import Standin, StandinOptions
from tests.builders import make_body
from tests.whole.conftest import OpenSite


async def test_jobs_of_every_kind(open_site: OpenSite) -> None:
    """Each ends as it should, once, and the dead-letter queue stays empty."""
    async with open_site() as site:
        await site.put([
            make_body(email_id="plain"),
            make_body(email_id="many", to=["a@example.org", "Ülrich <b@example.org>"], cc="c@example.org"),
            make_body(email_id="dup"),
            make_body(email_id="mail@with-at.example"),
            "not json",
            make_body(email_id=...),
            make_body(email_id="no-from", from_=...),
            make_body(email_id="stranger", from_="who@unverified.example.net"),
            make_body(email_id="late", expires_at="2020-01-01T00:00:00Z"),
            make_body(email_id="deep", headers={"X-A": "b"}, tags={"campaign": "spring"}),
        ])  # fmt: skip
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        await site.put([make_body(email_id="dup"), make_body(email_id="plain", subject="other")])
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        states = {email_id: row["state"] for email_id, row in site.rows().items()}
        assert await daemon.stop() == 0

        assert states == {
            "plain": "accepted",
            "many": "accepted",
            "dup": "accepted",
            "mail@with-at.example": "accepted",
            "stranger": "refused",
            "late": "expired",
            "deep": "accepted",
        }
        assert set(site.accepted().values()) == {1}
        assert len(site.accepted()) == 5
        assert site.depth("dead") == 0
        text = daemon.log.read_text()
        assert 'example.org"' not in text.replace('"recipient_domain":"example.org"', "")
        assert "recipient@" not in text
        assert daemon.events()["job_settled"] == 12


@pytest.mark.parametrize("in_doubt", ["resend", "hold"])
async def test_killed_again_and_again_under_load(open_site: OpenSite, in_doubt: str) -> None:
    """Kill -9: nothing is lost; a double only where the answer was lost with the process; with `hold` never."""
    randomly = random.Random(4711)
    async with open_site(ses_latency_s=0.05, TANK_SEND_RATE="100", TANK_IN_DOUBT=in_doubt) as site:
        ids = await site.put_jobs(400)
        for _ in range(5):
            daemon = await site.start()
            before = len(site.standin.state.mailbox.log)
            goal = before + randomly.randint(5, 50)
            await site.until(lambda goal=goal: len(site.standin.state.mailbox.log) >= goal, daemon, what="mails")
            await daemon.stop(signal.SIGKILL)
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        rows = site.rows()
        assert await daemon.stop() == 0

        accepted = site.accepted()
        doubled = {email_id for email_id, times in accepted.items() if times > 1}
        resent = {email_id for email_id, row in rows.items() if row["resends"]}
        dead = {email_id for email_id, row in rows.items() if row["state"] == "dead"}
        assert set(rows) == set(ids)
        assert {row["state"] for row in rows.values()} <= {"accepted", "dead"}
        assert set(ids) - set(accepted) <= dead, "none is lost"
        if in_doubt == "resend":
            assert doubled <= resent, "none is doubled without a doubt on record"
            assert set(accepted) == set(ids)
            assert len(doubled) <= 5 * 10, "no more than were in flight at the kills"
        else:
            assert not doubled
            assert site.depth("dead") == len(dead)


async def test_twenty_restarts_under_load_leave_the_dead_letter_queue_empty(open_site: OpenSite) -> None:
    """Even with a maxReceiveCount of 3: each stop gives messages back, and each of them was received."""
    async with open_site(max_receive_count=3, ses_latency_s=0.1, TANK_SEND_RATE="30") as site:
        ids = await site.put_jobs(500)
        for _ in range(20):
            daemon = await site.start()
            before = len(site.standin.state.mailbox.log)
            await site.until(
                lambda before=before: len(site.standin.state.mailbox.log) >= before + 3,
                daemon,
                what="mails",
            )
            assert await daemon.stop() == 0
        await site.start(TANK_SEND_RATE="1000")
        await site.until(lambda: site.depth() == 0, what="an empty queue")

        assert site.depth("dead") == 0
        assert site.accepted() == dict.fromkeys(ids, 1)


async def test_two_daemons_on_one_queue_and_one_store(open_site: OpenSite, postgres_url: str) -> None:
    """The row is the fence: every job is sent once, though its message comes twice."""
    async with open_site(ses_latency_s=0.05, TANK_DATABASE_URL=postgres_url) as site:
        upgrade = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tank_mailer", "db", "upgrade", env=site.environment, cwd=site.folder
        )
        assert await upgrade.wait() == 0
        ids = await site.put_jobs(200)
        await site.put_jobs(200)  # the producer has put them all twice
        daemons = [await site.start(TANK_NODE=name) for name in ("one", "two")]
        await site.until(lambda: site.depth() == 0, daemons[0], what="an empty queue")
        assert [await daemon.stop() for daemon in daemons] == [0, 0]

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert all(daemon.events()["job_settled"] for daemon in daemons)


async def test_a_second_daemon_on_a_sqlite_store_refuses_to_start(open_site: OpenSite) -> None:
    async with open_site() as site:
        first = await site.start()
        await site.until(lambda: first.events()["daemon_started"] == 1, first, what="the start")
        second = await site.start()
        async with asyncio.timeout(30):
            assert await second.process.wait() == 78
        assert "PostgreSQL" in second.log.read_text()


async def test_aws_is_away_at_start(open_site: OpenSite) -> None:
    """Ready and paused; off it goes when AWS is there. Meanwhile nothing is lost and nothing exits."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with open_site() as site:
        site.environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        site.environment["TANK_OUTBOUND_QUEUE_URL"] = f"http://127.0.0.1:{port}/000000000000/jobs"
        daemon = await site.start()
        await site.until(lambda: daemon.events()["daemon_started"] == 1, daemon, what="the start")
        assert daemon.events()["pause_begun"] >= 1
        async with Standin.start(StandinOptions(queues=("jobs",)), port=port) as late:
            site.standin = late
            await site.put_jobs(3)
            await site.until(lambda: len(late.state.mailbox.log) == 3, daemon, what="mails")
            await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
            await daemon.stop()


async def test_bad_settings_are_all_told_at_once(open_site: OpenSite) -> None:
    async with open_site() as site:
        daemon = await site.start(TANK_MAX_PARALEL="3", TANK_SES_TIMEOUT_S="soon", TANK_DELIVERY="redirect")
        assert await daemon.process.wait() == 78
        text = daemon.log.read_text()
        for part in ("TANK_MAX_PARALLEL", "TANK_SES_TIMEOUT_S", "TANK_REDIRECT_TO"):
            assert part in text
        assert "Traceback" not in text


async def test_a_log_pipe_that_nobody_reads_stops_nothing(open_site: OpenSite) -> None:
    """A full pipe would block the first print, and with it every lease."""
    async with open_site() as site:
        ids = await site.put_jobs(300)
        unread, full = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tank_mailer", "run", env=site.environment, cwd=site.folder, stdout=full
            )
            await site.until(lambda: site.depth() == 0, what="an empty queue")
            assert site.accepted() == dict.fromkeys(ids, 1)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        finally:
            os.close(full)
            os.close(unread)


@pytest.mark.parametrize(
    ("rules", "resends"),
    [
        pytest.param([{"kind": "reset_before"}], 1, id="reset-before-it-was-processed"),
        pytest.param([{"kind": "html", "processed": False}], 1, id="a-proxys-page"),
        pytest.param([{"kind": "status", "status": 503}], 1, id="an-uncoded-503"),
        pytest.param(
            [{"kind": "status", "status": 429, "code": "TooManyRequestsException",
              "message": "Maximum sending rate exceeded.", "times": 3}], 0, id="throttled",
        ),
    ],
)  # fmt: skip
async def test_trouble_on_the_way_to_ses(open_site: OpenSite, rules: list[dict[str, object]], resends: int) -> None:
    """Each is judged from what really came over the wire."""
    async with open_site() as site:
        given = [{"service": "ses", "operation": "SendEmail", "times": 1} | rule for rule in rules]
        async with asyncio.timeout(10):
            await _tell(site.standin.url, "/_standin/faults", given)
        await site.put_jobs(1)
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        row = site.rows()["job-0"]
        assert (row["state"], row["resends"], row["charged"]) == ("accepted", resends, 0)
        assert site.accepted() == {"job-0": 1}


async def _tell(url: str, path: str, content: object) -> None:
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps(content).encode()
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    assert b" 200 " in answer.split(b"\r\n")[0] or b" 201 " in answer.split(b"\r\n")[0], answer


async def test_a_dry_run_sends_nothing(open_site: OpenSite) -> None:
    async with open_site(TANK_DELIVERY="dry_run") as site:
        await site.put_jobs(2)
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        assert site.accepted() == {}
        assert {row["state"] for row in site.rows().values()} == {"dry_run"}


async def test_a_redirect_mails_nobody_but_its_target(open_site: OpenSite) -> None:
    async with open_site(TANK_DELIVERY="redirect", TANK_REDIRECT_TO="staging@example.com") as site:
        await site.put([make_body(email_id="away", to="a@example.org", bcc="b@example.org")])
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        [entry] = site.standin.state.mailbox.log
        assert (entry.to, entry.cc, entry.bcc) == (("staging@example.com",), (), ())
