"""What producers copy from docs/producers, run: batches that are taken in part, and signatures of the news."""

import base64
import hmac
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.posting import Answered, open_session
from tank_mailer.adapters.webhook import WebhookReceiver
from tank_mailer.core.job import EmailJob, parse_job
from tank_mailer.core.news import News, spell
from tests.builders import MAIL_AT
from tests.producers.fake_sqs import FakeSqs, run_fake_sqs
from tests.producers.languages import PUT, VERIFY, Job, Request, make_job, verify

LANGUAGES = list(PUT)
MIB = 1_048_576
SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
OTHER = f"whsec_{base64.b64encode(b'o' * 32).decode()}"


def ids(jobs: Sequence[Job]) -> list[str]:
    return sorted(job["email_id"] for job in jobs)


def check_calls(server: FakeSqs) -> None:
    """No call is larger than SQS takes, and each job in it is one that tank-mailer takes."""
    for bodies in server.calls:
        assert 1 <= len(bodies) <= 10
        assert sum(len(body.encode()) for body in bodies) <= MIB
        assert all(isinstance(parse_job(body), EmailJob) for body in bodies)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_job_is_put_or_told_of(language: str, tmp_path: Path) -> None:
    """A batch taken in part, an entry without an answer, one that SQS never takes, one that is too large."""
    good = [
        *(make_job(f"order-{number}") for number in range(12)),
        make_job("once-1"),
        make_job("silent-1"),
        make_job("an id with spaces, Ü and : in it"),
        *(make_job(f"large-{number}", body="b" * 400_000) for number in range(3)),
    ]
    bad = [make_job("never-1"), make_job("huge-1", body="b" * MIB)]
    with run_fake_sqs() as server:
        told = PUT[language](tmp_path, server.url, [*good[:6], *bad, *good[6:]])

    assert told["ended"] == "put"
    assert set(told["refused"]) == {"never-1", "huge-1"}
    assert told["refused"]["never-1"].startswith("InvalidMessageContents")
    assert told["refused"]["huge-1"].startswith("TooLarge")
    assert ids(server.taken) == ids(good), "each once"
    assert {job["subject"] for job in server.taken} == {"Your order: Grüße, “you”"}
    check_calls(server)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_goes_on_failing_is_told(language: str, tmp_path: Path) -> None:
    """Silence would be a lost mail; the others of the batch are there already, and their ids are known."""
    with run_fake_sqs() as server:
        told = PUT[language](tmp_path, server.url, [make_job("always-1"), make_job("order-1")])

    assert told["ended"] == "not put"
    assert ids(server.taken) == ["order-1"]
    assert [len(bodies) for bodies in server.calls] == [2, 1, 1, 1], "only what failed is repeated"


# --- the news --------------------------------------------------------------------------------------


@pytest.fixture
async def news() -> Request:
    """One piece, as the daemon tells it over HTTP."""
    got = list[Request]()

    async def take(request: web.Request) -> web.Response:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        name, timestamp, signatures = (request.headers[one] for one in names)
        got.append(
            Request(body=await request.read(), name=name, timestamp=timestamp, signatures=signatures, secret=SECRET)
        )
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/", take)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = SecretStr(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        payload = spell(
            News(email_id="order-4711", state="accepted", occurred_at=MAIL_AT, recipient="grüße@example.org")
        )
        async with open_session() as session:
            receiver = WebhookReceiver(session=session, url=url, secret=SecretStr(SECRET), clock=SystemClock())
            answer = await receiver.post(payload)
        assert isinstance(answer, Answered)
        assert answer.takes
    finally:
        await runner.cleanup()
    return got[0]


@pytest.mark.parametrize("language", list(VERIFY))
def test_the_news_is_known_by_its_signature(language: str, tmp_path: Path, news: Request) -> None:
    """As it came, and while the secret is changed: several signatures stand side by side then."""
    good, bad = news.signatures, f"v1,{base64.b64encode(b'x' * 32).decode()}"
    cases = {
        "as it came": news,
        "a second signature": replace(news, signatures=f"v1a,eA== {bad} {good}"),
        "another secret": replace(news, secret=OTHER),
        "a changed body": replace(news, body=news.body.replace(b"4711", b"4712")),
        "another id": replace(news, name="msg_other"),
        "an old one": replace(news, timestamp=str(int(time.time()) - 600)),
        "no time": replace(news, timestamp="soon"),
        "no signature": replace(news, signatures="v1,"),
        "none of the headers": replace(news, name="", timestamp="", signatures=""),
        "the time alone": replace(news, name="", signatures=""),
        "another kind": replace(news, signatures=good.replace("v1,", "v2,")),
    }

    told = dict(zip(cases, verify(language, tmp_path, list(cases.values())), strict=True))

    assert told == dict.fromkeys(cases, "refused") | dict.fromkeys(("as it came", "a second signature"), "order-4711")


@pytest.mark.parametrize("language", ["node", "php"])  # the others' libraries take no empty key
@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!"])
def test_a_secret_that_is_none_opens_to_nobody(language: str, secret: str, tmp_path: Path, news: Request) -> None:
    """Such as a variable that was not set: with an empty key anybody can sign."""
    text = f"{news.name}.{news.timestamp}.".encode() + news.body
    forged = f"v1,{base64.b64encode(hmac.digest(b'', text, 'sha256')).decode()}"

    assert verify(language, tmp_path, [replace(news, secret=secret, signatures=forged)]) == ["refused"]
