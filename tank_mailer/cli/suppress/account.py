"""SES's own suppression list, opened as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tank_mailer.adapters import account_list, aws
from tank_mailer.adapters.account_list import AccountList, Pace
from tank_mailer.core.queueurl import region_of
from tank_mailer.settings import Loaded


@asynccontextmanager
async def open_account_list(loaded: Loaded) -> AsyncIterator[AccountList]:
    """Open it for the block.

    Raises:
        ConfigurationError: the SDK cannot make a client of what it was given.
    """
    region = region_of(loaded.settings.outbound_queue_url)
    async with aws.open_control(loaded.aws, region=region) as client:
        yield AccountList(client=client, pace=Pace(every_s=account_list.CALL_EVERY_S))
