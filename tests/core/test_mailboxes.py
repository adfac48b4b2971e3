"""Figures by recipient domain keep to a closed set, whatever addresses there are."""

import pytest

from tank_mailer.core.mailboxes import Provider, provider_of


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        pytest.param("a@gmail.com", Provider.GMAIL, id="a-large-provider"),
        pytest.param("A.B@GoogleMail.Com", Provider.GMAIL, id="another-name-of-it-in-capitals"),
        pytest.param("a@hotmail.co.uk", Provider.MICROSOFT, id="a-country-of-its-own"),
        pytest.param("a@aol.com", Provider.YAHOO, id="one-company-of-several-names"),
        pytest.param("a@me.com", Provider.APPLE, id="an-old-name"),
        pytest.param("a@web.de", Provider.GMX, id="two-brands-on-the-same-servers"),
        pytest.param("a@t-online.de", Provider.TELEKOM, id="an-access-provider"),
        pytest.param("a@wanadoo.fr", Provider.ORANGE, id="another-one"),
        pytest.param("bounce+7@simulator.amazonses.com", Provider.SIMULATOR, id="the-simulator"),
        pytest.param("a@example.org", Provider.OTHER, id="a-company"),
        pytest.param("a@mail.gmail.com", Provider.OTHER, id="a-subdomain-is-another-domain"),
        pytest.param("a@gmail.com.example.org", Provider.OTHER, id="a-look-alike"),
        pytest.param("hash:4711", Provider.OTHER, id="an-erased-address"),
        pytest.param("", Provider.OTHER, id="nothing"),
    ],
)
def test_whose_mailbox_it_is(address: str, provider: Provider) -> None:
    assert provider_of(address) is provider
