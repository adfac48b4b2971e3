"""Alerts that are on, in the store: they outlive restarts, and nodes share them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tank_mailer.adapters import rows
from tank_mailer.adapters.schema import alerts
from tank_mailer.adapters.store import Store, insert_for
from tank_mailer.core.alerting import Close, End, Entry, Forget, Raise, See, Step, Tell
from tank_mailer.core.alerts import AlertName, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAlertBook:
    """The `AlertBook` over the store's own worker."""

    store: Store

    async def entries(self) -> Sequence[Entry]:
        """All of it; a handful of rows."""
        return await self.store.transact(read_alerts)

    async def take(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Take these steps in one transaction."""
        if not steps:
            return []
        return await self.store.transact(lambda connection: [one for one in steps if self._take(connection, one)])

    def _take(self, connection: sa.Connection, step: Step) -> bool:
        return connection.scalar(self._statement(step).returning(alerts.c.name)) is not None

    def _statement(self, step: Step) -> Any:  # noqa: ANN401 - INSERT, UPDATE and DELETE share no type that returns
        match step:
            case Raise(entry, ended_at):
                values = _columns(entry)
                if ended_at is None:
                    return insert_for(self.store.engine, alerts).values(values).on_conflict_do_nothing()
                del values["told_at"]  # that of the time before stays: it is not to be told again too soon
                return _of(sa.update(alerts), entry).where(alerts.c.ended_at == ended_at.timestamp()).values(values)
            case See(entry):
                seen = {"seen_at": entry.seen_at.timestamp(), **_texts(entry)}
                return _of(sa.update(alerts), entry).where(alerts.c.ended_at.is_(None)).values(seen)
            case End(entry, at):
                unseen = (alerts.c.ended_at.is_(None), alerts.c.seen_at == entry.seen_at.timestamp())
                return _of(sa.update(alerts), entry).where(*unseen).values(ended_at=at.timestamp())
            case Tell(entry, at):
                same = alerts.c.since == entry.since.timestamp()
                return _of(sa.update(alerts), entry).where(same).values(told_at=at.timestamp())
            case Close(entry, at):
                same = alerts.c.ended_at == rows.seconds(entry.ended_at)
                return _of(sa.update(alerts), entry).where(same).values(closed_at=at.timestamp())
            case Forget(entry):
                return _of(sa.delete(alerts), entry).where(alerts.c.ended_at == rows.seconds(entry.ended_at))


def _of(statement: Any, entry: Entry) -> Any:  # noqa: ANN401 - as above
    return statement.where(alerts.c.name == entry.name.value, alerts.c.subject == rows.storable(entry.subject))


def _texts(entry: Entry) -> dict[str, str]:
    return {"detail": rows.storable(entry.detail), "remedy": rows.storable(entry.remedy)}


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name.value,
        "subject": rows.storable(entry.subject),
        "severity": entry.severity.value,
        "node": rows.storable(entry.node),
        "since": entry.since.timestamp(),
        "seen_at": entry.seen_at.timestamp(),
        **_texts(entry),
        "told_at": rows.seconds(entry.told_at),
        "ended_at": rows.seconds(entry.ended_at),
        "closed_at": rows.seconds(entry.closed_at),
    }


def read_alerts(connection: sa.Connection) -> list[Entry]:
    """All that this version knows, by name; another one may have more."""
    query = sa.select(alerts).order_by(alerts.c.name, alerts.c.subject)
    found = connection.execute(query).mappings()
    return [_read(one) for one in found if one["name"] in set(AlertName) and one["severity"] in set(Severity)]


def _read(record: sa.RowMapping) -> Entry:
    return Entry(
        name=AlertName(record["name"]),
        subject=record["subject"],
        severity=Severity(record["severity"]),
        node=record["node"],
        since=datetime.fromtimestamp(record["since"], UTC),
        seen_at=datetime.fromtimestamp(record["seen_at"], UTC),
        detail=record["detail"],
        remedy=record["remedy"],
        told_at=rows.moment(record["told_at"]),
        ended_at=rows.moment(record["ended_at"]),
        closed_at=rows.moment(record["closed_at"]),
    )
