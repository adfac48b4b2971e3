"""Where nothing is wrong, nothing is told to be."""

from tank_mailer.core.checkup.finding import Check, Level
from tests.doctor.world import World


async def test_a_healthy_set_up_has_no_finding_but_that_it_is_emulated(world: World) -> None:
    """Nothing unseen either: with all rights, everything is looked at."""
    found = await world.findings()

    assert [one for one in found if one.level is not Level.OK and one.check is not Check.ENDPOINT] == []
