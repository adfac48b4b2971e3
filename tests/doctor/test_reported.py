"""The identities of the weekly report, by the doctor's eyes: SES's word and DNS."""

from tank_mailer.cli.report.identities import look_at_identities
from tank_mailer.core.reports.document import NotKnown
from tank_mailer.settings import load_settings
from tests.doctor.world import DOMAIN, World


async def look(world: World) -> tuple[bool, str] | NotKnown:
    world.write_env_file()
    loaded = load_settings(None, world.environ, directory=world.folder)
    states = await look_at_identities(loaded, [DOMAIN])
    if isinstance(states, NotKnown):
        return states
    [state] = states
    return state.is_good, state.said


async def test_all_is_well(world: World) -> None:
    assert await look(world) == (True, "verified at SES, and nothing is wrong with its records in DNS")


async def test_a_record_that_is_gone_from_dns(world: World) -> None:
    """SES would notice within days; receivers do at once."""
    world.record(f"_dmarc.{DOMAIN}", "TXT")

    found = await look(world)

    assert isinstance(found, tuple)
    assert not found[0]
    assert "DMARC" in found[1]


async def test_a_key_that_may_not_ask(world: World) -> None:
    world.deny("ses:GetEmailIdentity")

    assert isinstance(await look(world), NotKnown)
