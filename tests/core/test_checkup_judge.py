"""All findings together: their order, what is told once, and what makes a set-up ill."""

from tank_mailer.core.checkup.catalogue import ABOUT
from tank_mailer.core.checkup.facts import Facts
from tank_mailer.core.checkup.finding import Area, Check, Finding, Level
from tank_mailer.core.checkup.judge import is_ill, judge
from tank_mailer.core.checkup.seen import Unreached
from tank_mailer.core.errors import Reason
from tests.checkups import EVENTS, make_facts, make_setup


def test_every_check_is_explained() -> None:
    assert set(ABOUT) == set(Check)
    assert {about.area for about in ABOUT.values()} == set(Area)


def test_nothing_was_seen_and_nothing_is_said_to_be_wrong() -> None:
    """Few permissions are no fault."""
    found = judge(make_setup(event_queue_url=EVENTS, configuration_set="tank", senders=("example.com",)), Facts())

    assert not is_ill(found, is_strict=True)
    assert {one.level for one in found} == {Level.OK, Level.UNSEEN}


def test_what_was_not_seen_for_one_cause_is_told_once() -> None:
    silent = Unreached("no answer", Reason.BAD_CREDENTIALS)

    found = judge(make_setup(configuration_set="tank"), make_facts(account=silent, quota=silent, sets={"tank": silent}))

    (told,) = [one for one in found if "no answer" in one.what]
    assert told.subject == "sending account, quota account, configuration_set tank"


def test_areas_in_their_order_and_the_weightiest_first() -> None:
    found = judge(make_setup(delivery="dry_run", listens_off_loopback=True), make_facts(skew_s=400))

    areas = [list(Area).index(ABOUT[one.check].area) for one in found]
    settings = [one.level for one in found if ABOUT[one.check].area is Area.SETTINGS]
    assert areas == sorted(areas)
    assert settings[:2] == [Level.WARNING, Level.NOTE]


def test_what_makes_it_ill() -> None:
    levels = [[Finding(Check.QUOTA, level, "", "")] for level in Level]

    assert [is_ill(found) for found in levels] == [False, False, False, True, False]
    assert [is_ill(found, is_strict=True) for found in levels] == [False, False, True, True, False]


def test_the_shape_has_no_empty_texts() -> None:
    shape = Finding(Check.QUOTA, Level.OK, "", "fine").shape(Area.ACCOUNT)

    assert shape == {
        "area": "account",
        "check": "quota",
        "level": "ok",
        "subject": None,
        "what": "fine",
        "remedy": None,
    }
