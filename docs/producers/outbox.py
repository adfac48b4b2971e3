"""Relays jobs from the web application's own database to the queue (docs/producers.md).

Needs boto3 and SQLAlchemy. `python outbox.py DATABASE_URL QUEUE_URL`
"""  # noqa: INP001

import json
import logging
import sys
import time

import boto3
import sqlalchemy as sa
from botocore.client import BaseClient
from producer import MAX_ENTRIES, put_bodies

IDLE_S = 1.0  # between looks at an empty outbox
TROUBLE_S = 5.0  # between tries while the database or SQS is away

log = logging.getLogger("outbox")
OUTBOX = sa.table("mail_outbox", *map(sa.column, ("id", "email_id", "job", "put_at", "fault")))


def ask_for_mail(connection: sa.Connection, job: dict) -> None:
    """Write a job down, in the transaction of what it is about; the same id a second time changes nothing.

    Of two at the same moment one fails by the key (IntegrityError), and what it is about with it.
    """
    known = sa.select(OUTBOX.c.id).where(OUTBOX.c.email_id == job["email_id"])
    if connection.execute(known).first() is None:
        connection.execute(sa.insert(OUTBOX).values(email_id=job["email_id"], job=json.dumps(job)))


def relay(connection: sa.Connection, sqs: BaseClient, queue_url: str) -> int:
    """Put the oldest jobs on the queue and mark them, in one transaction; give their number.

    A crash before its end leaves them unmarked, and they are put again: tank-mailer knows them by their email_id.
    They are not read here: a row that is no job holds nobody up, for tank-mailer keeps it aside as invalid.
    """
    waiting = (
        sa.select(OUTBOX.c.id, OUTBOX.c.email_id, OUTBOX.c.job)
        .where(OUTBOX.c.put_at.is_(None), OUTBOX.c.fault.is_(None))
        .order_by(OUTBOX.c.id)
        .limit(MAX_ENTRIES)
        .with_for_update(skip_locked=True)  # a second relay takes the next ones
    )
    rows = connection.execute(waiting).all()
    refused = put_bodies(sqs, queue_url, [(row.email_id, row.job) for row in rows])
    for row in rows:
        mark = {"fault": refused[row.email_id]} if row.email_id in refused else {"put_at": sa.func.current_timestamp()}
        connection.execute(sa.update(OUTBOX).where(OUTBOX.c.id == row.id).values(mark))
    return len(rows)


def open_database(url: str) -> sa.Engine:
    """By its default MySQL would lock the gap, too, that new rows go into, for as long as the relay talks to SQS."""
    engine = sa.create_engine(url, pool_pre_ping=True)
    is_mysql = engine.dialect.name in {"mysql", "mariadb"}
    return engine.execution_options(isolation_level="READ COMMITTED") if is_mysql else engine


def main(database_url: str, queue_url: str) -> None:
    """Go on until it is stopped; nothing is lost if that happens in the middle."""
    engine = open_database(database_url)
    sqs = boto3.client("sqs")
    while True:
        try:
            with engine.begin() as connection:
                count = relay(connection, sqs, queue_url)
            time.sleep(0 if count else IDLE_S)
        except Exception:  # whatever it is, the jobs are still there
            log.exception("the relay tries again in %s s", TROUBLE_S)
            time.sleep(TROUBLE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
