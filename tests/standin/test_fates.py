"""What becomes of a mail: by the simulator's address, and by rules (aws-facts 6)."""

import pytest

from tank_mailer.standin import FateRule, ManualClock
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.fates import Fate, Fates, read_fate_rules
from tests.standin.post import Post, open_post

AT = "@simulator.amazonses.com"
DEAD = "Permanent/General"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("success", [("Delivery",)], id="success"),
        pytest.param("nobody-knows", [("Delivery",)], id="an-unknown-mailbox-takes-it"),
        pytest.param("bounce", [("Bounce", DEAD)], id="bounce"),
        pytest.param("complaint", [("Delivery",), ("Complaint",)], id="complaint-after-the-delivery"),
        pytest.param("ooto", [("Delivery",), ("Bounce", "Transient/General")], id="out-of-office-is-delivered"),
        pytest.param("suppressionlist", [("Bounce", "Permanent/Suppressed")], id="the-global-list"),
        pytest.param("accountlist", [("Bounce", "Permanent/OnAccountSuppressionList")], id="the-account's-list"),
        pytest.param("softbounce", [("Bounce", "Transient/MailboxFull")], id="a-full-mailbox"),
        pytest.param("delay", [("DeliveryDelay",), ("Delivery",)], id="delayed-then-delivered"),
        pytest.param("silence", [], id="nothing-after-the-send"),
    ],
)
async def test_each_simulator_address_has_its_fate(post: Post, name: str, told: list[tuple[str, ...]]) -> None:
    """Labels come back in the events."""
    address = f"{name}+label{AT}"

    await post.send(address)

    assert post.told() == [(*line, address) for line in told]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        pytest.param("success", ["Send", "Delivery"], id="the-send-comes-first"),
        pytest.param("open", ["Send", "Delivery", "Open"], id="opened"),
        pytest.param("click", ["Send", "Delivery", "Open", "Click"], id="who-clicks-has-opened"),
        pytest.param("reject", ["Send", "Reject"], id="a-virus-goes-to-nobody"),
        pytest.param("rendering", ["Rendering Failure"], id="what-cannot-be-rendered-is-not-sent"),
    ],
)
async def test_what_comes_of_the_whole_mail(post: Post, name: str, kinds: list[str]) -> None:
    """A second recipient shares the fate of a mail that is rejected or cannot be rendered."""
    await post.send(f"{name}{AT}")

    assert [event["eventType"] for event in post.events()] == kinds


async def test_one_virus_stops_the_mail_for_everybody(post: Post) -> None:
    await post.send("you@example.org", f"reject{AT}")

    assert post.told() == [("Reject",)]


async def test_several_simulator_bounces_come_as_one_event(post: Post) -> None:
    """Aws-facts 6; all others come one by one."""
    post.standin.state.events.fates.rules.append(FateRule(match="*@example.org", fate=Fate.BOUNCE))
    await post.send(f"bounce+a{AT}", "a@example.org", f"bounce+b{AT}", "b@example.org", f"softbounce{AT}")

    assert sorted(post.told()) == [
        ("Bounce", DEAD, "a@example.org"),
        ("Bounce", DEAD, "b@example.org"),
        ("Bounce", DEAD, f"bounce+a{AT}", f"bounce+b{AT}"),
        ("Bounce", "Transient/MailboxFull", f"softbounce{AT}"),
    ]


async def test_each_recipient_has_a_fate_and_the_mail_names_them_all(post: Post) -> None:
    """By its bare address, however it was written; `destination` is as given."""
    given = {"ToAddresses": ["You <you@example.org>"], "BccAddresses": [f"complaint{AT}"]}
    await post.send(Destination=given)

    events = post.events()

    assert [event["mail"]["destination"] for event in events] == [["You <you@example.org>", f"complaint{AT}"]] * 4
    assert [event["delivery"]["recipients"] for event in events if event["eventType"] == "Delivery"] == [
        ["you@example.org"],
        [f"complaint{AT}"],
    ]


@pytest.mark.parametrize(
    ("match", "fate"),
    [
        pytest.param("a@example.org", "bounce", id="an-address"),
        pytest.param("A@Example.ORG", "bounce", id="whatever-its-case"),
        pytest.param("*@example.org", "bounce", id="a-domain"),
        pytest.param("*@other.example", "success", id="another-domain"),
        pytest.param("b@example.org", "success", id="another-address"),
    ],
)
def test_whom_a_rule_is_about(match: str, fate: str) -> None:
    assert Fates([FateRule(match=match, fate=Fate.BOUNCE)]).of("a@Example.org") == fate


def test_the_first_rule_decides_and_counts_down() -> None:
    """So a mailbox can be full three times and then take the mail."""
    fates = Fates(read_fate_rules([
        {"match": "a@*", "fate": "softbounce", "times": 2},
        {"match": "*", "fate": "bounce"},
    ]))  # fmt: skip

    met = [fates.of(address) for address in ("a@x.org", "b@x.org", "a@x.org", "a@x.org", f"success{AT}")]

    assert met == ["softbounce", "bounce", "softbounce", "bounce", "bounce"]


async def test_rules_are_set_from_the_start_and_come_back_with_a_reset(clock: ManualClock) -> None:
    rules = (FateRule(match="a@example.org", fate=Fate.SOFTBOUNCE, times=2),)
    async with open_post(clock, event_rules=rules) as post:
        for _ in range(2):
            for _ in range(3):
                await post.send("a@example.org")
            assert [line[0] for line in post.told()] == ["Bounce", "Bounce", "Delivery"]

            await post.observed("POST", "reset")


async def test_rules_are_set_by_an_observer(post: Post) -> None:
    rule = {"match": "*@example.org", "fate": "complaint", "times": None}
    shown = await post.observed("PUT", "events", {"rules": [rule]})
    assert shown["rules"] == [rule]

    await post.send("a@example.org")

    assert post.told() == [("Delivery", "a@example.org"), ("Complaint", "a@example.org")]


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        pytest.param({}, "a list is wanted", id="no-list"),
        pytest.param(["a"], "rule 0: wanted is", id="no-object"),
        pytest.param([{"match": "a@x.org", "fate": "bounce", "once": 1}], "rule 0: wanted is", id="unknown-field"),
        pytest.param([{"fate": "bounce"}], "rule 0: match is an address", id="nobody"),
        pytest.param([{"match": "*", "fate": "open"}, {"match": "*", "fate": "x"}], "rule 1: fate is", id="no-fate"),
        pytest.param([{"match": "*", "fate": "open", "times": 0}], "rule 0: times is a whole", id="never"),
    ],
)
def test_rules_that_make_no_sense(rules: object, text: str) -> None:
    with pytest.raises(AwsError, match=text):
        read_fate_rules(rules)
