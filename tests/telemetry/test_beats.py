"""A sign of life: silent is who has work and finishes none of it."""

from dataclasses import dataclass

from tank_mailer.telemetry.beats import Beat


@dataclass(slots=True)
class Hand:
    """A clock that tests move."""

    at_s: float = 1_000.0

    def now_s(self) -> float:
        return self.at_s


def make_beat() -> tuple[Hand, Beat]:
    hand = Hand()
    return hand, Beat(name="store", most_s=60.0, now_s=hand.now_s)


def test_who_has_nothing_to_do_may_rest_for_days() -> None:
    hand, beat = make_beat()
    hand.at_s += 1e6

    assert beat.pulse.silent_s == 0.0


def test_work_that_is_not_finished_is_silence() -> None:
    hand, beat = make_beat()
    beat.begin()
    hand.at_s += 61

    assert beat.pulse.silent_s == 61.0
    assert beat.pulse.is_still


def test_more_work_does_not_excuse_what_lies_there() -> None:
    hand, beat = make_beat()
    beat.begin()
    hand.at_s += 50
    beat.begin()
    hand.at_s += 11

    assert beat.pulse.silent_s == 61.0


def test_each_end_counts_though_there_is_more() -> None:
    hand, beat = make_beat()
    beat.begin()
    hand.at_s += 50
    beat.done(more=True)
    hand.at_s += 50

    assert beat.pulse.silent_s == 50.0
    beat.done()
    assert beat.pulse.silent_s == 0.0
