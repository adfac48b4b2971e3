"""Takes tank-mailer's news, each piece once (docs/producers.md). Needs standardwebhooks and SQLAlchemy."""  # noqa: INP001

import json
from collections.abc import Mapping

import sqlalchemy as sa
from standardwebhooks import Webhook

SEEN = sa.table("mail_news", sa.column("webhook_id"))
STATUS = sa.table("mail_status", *map(sa.column, ("email_id", "recipient", "state", "status", "told_at")))
RANKS = ("accepted", "delayed", "soft_bounced", "delivered", "rejected", "hard_bounced", "complained")  # only rise


def take(connection: sa.Connection, secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Write a piece of news down, in one transaction with its being known; False if it had come before.

    `body` is the request's, as it came. Raises WebhookVerificationError for what is not tank-mailer's: answer 400.
    Of two at the same moment one fails by the key: answer 500, and it comes again.
    """
    Webhook(secret).verify(body, dict(headers))
    key = headers["webhook-id"]
    if connection.execute(sa.select(SEEN).where(SEEN.c.webhook_id == key)).first():
        return False
    connection.execute(sa.insert(SEEN).values(webhook_id=key))
    news = json.loads(body)
    if news["type"] == "email.status":
        write_down(connection, news)
    return True


def write_down(connection: sa.Connection, news: dict) -> None:
    """Keep the newest. `recipient` is null for the job as a whole.

    News of one job comes in order; but what was given up and is replayed comes after what followed it.
    """
    data, told_at = news["data"], news["timestamp"]
    key = {"email_id": data["email_id"], "recipient": data["recipient"] or ""}
    values = {"state": data["state"], "status": data["status"], "told_at": told_at}
    here = sa.and_(*(STATUS.c[name] == value for name, value in key.items()))
    known = connection.execute(sa.select(STATUS.c.status, STATUS.c.told_at).where(here)).first()
    if known is None:
        connection.execute(sa.insert(STATUS).values(key | values))
    elif rank(data["status"]) > rank(known.status) or told_at >= known.told_at:
        connection.execute(sa.update(STATUS).where(here).values(values))


def rank(status: str | None) -> int:
    """Of two statuses the higher one stands, whatever their times; a lower one is newer only if it was told later."""
    return RANKS.index(status) if status in RANKS else -1
