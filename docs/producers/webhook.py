"""Takes tank-mailer's news, each piece once (docs/producers.md). Needs standardwebhooks and SQLAlchemy."""  # noqa: INP001

import json
from collections.abc import Mapping

import sqlalchemy as sa
from standardwebhooks import Webhook

SEEN = sa.table("mail_news", sa.column("webhook_id"))
STATUS = sa.table("mail_status", *map(sa.column, ("email_id", "recipient", "state", "status")))


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
        write_down(connection, news["data"])
    return True


def write_down(connection: sa.Connection, data: dict) -> None:
    """Keep the newest: of one job, news comes in order. `recipient` is null for the job as a whole."""
    key = {"email_id": data["email_id"], "recipient": data["recipient"] or ""}
    values = {"state": data["state"], "status": data["status"]}
    here = sa.and_(*(STATUS.c[name] == value for name, value in key.items()))
    if connection.execute(sa.select(STATUS).where(here)).first():
        connection.execute(sa.update(STATUS).where(here).values(values))
    else:
        connection.execute(sa.insert(STATUS).values(key | values))
