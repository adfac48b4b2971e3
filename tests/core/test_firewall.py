"""What stands on the list for a firewall, and how often."""

from tank_mailer.core.firewall import Asker, Way, in_order

DAEMON, COMMANDS = frozenset({Asker.DAEMON}), frozenset({Asker.COMMANDS})


def way(host: str, *, askers: frozenset[Asker] = DAEMON, use: str = "mail", proxy: str = "") -> Way:
    return Way(host=host, port=443, askers=askers, uses=(use,), proxy=proxy)


def test_a_place_stands_there_once_with_all_that_it_is_for() -> None:
    found = in_order([way("a"), way("a", askers=COMMANDS, use="doctor"), way("a")])

    assert found == [Way(host="a", port=443, askers=DAEMON | COMMANDS, uses=("mail", "doctor"))]


def test_what_the_daemon_needs_comes_first() -> None:
    found = in_order([way("c", askers=COMMANDS), way("b"), way("a")])

    assert [one.host for one in found] == ["b", "a", "c"]


def test_a_proxy_has_to_be_reached_and_to_let_through() -> None:
    """One line for the firewall, and one for each place behind it for whoever looks after the proxy."""
    found = in_order([way("a", proxy="proxy:3128"), way("b", askers=COMMANDS, proxy="proxy:3128")])

    assert [(one.host, one.port, one.proxy) for one in found] == [
        ("a", 443, "proxy:3128"),
        ("proxy", 3128, ""),
        ("b", 443, "proxy:3128"),
    ]
    assert found[1].askers == DAEMON | COMMANDS


def test_a_proxy_that_is_an_address_of_ipv6() -> None:
    assert in_order([way("a", proxy="[2001:db8::1]:3128")])[1].host == "2001:db8::1"
