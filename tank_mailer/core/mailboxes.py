"""Whose mailbox an address is, by its domain: a closed set of large providers, for figures that are kept for years."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Provider(StrEnum):
    """Who runs a mailbox. Companies' domains are `other`: who hosts them stands in DNS, not in an address."""

    GMAIL = "gmail"
    MICROSOFT = "microsoft"
    YAHOO = "yahoo"
    APPLE = "apple"
    GMX = "gmx"  # and WEB.DE: one company, one set of servers
    TELEKOM = "telekom"
    ORANGE = "orange"
    SIMULATOR = "simulator"  # SES's own, for trials
    OTHER = "other"


_DOMAINS: Final[Mapping[Provider, str]] = {
    Provider.GMAIL: "gmail.com googlemail.com",
    Provider.MICROSOFT: (
        "outlook.com outlook.de outlook.fr outlook.es outlook.it hotmail.com hotmail.co.uk hotmail.de hotmail.fr"
        " hotmail.es hotmail.it hotmail.nl live.com live.co.uk live.de live.fr live.it live.nl msn.com"
    ),
    Provider.YAHOO: (
        "yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.co.in yahoo.com.br ymail.com rocketmail.com"
        " aol.com aol.de aol.co.uk"
    ),
    Provider.APPLE: "icloud.com me.com mac.com",
    Provider.GMX: "gmx.de gmx.net gmx.at gmx.ch gmx.com web.de",
    Provider.TELEKOM: "t-online.de magenta.de",
    Provider.ORANGE: "orange.fr wanadoo.fr",
    Provider.SIMULATOR: "simulator.amazonses.com",
}
_OF_DOMAIN: Final = {domain: provider for provider, domains in _DOMAINS.items() for domain in domains.split()}


def provider_of(address: str) -> Provider:
    """Find the provider of a mailbox; of what is no address, or nobody's large domain, `other`."""
    return _OF_DOMAIN.get(address.rpartition("@")[2].lower(), Provider.OTHER)
