import pytest

from fulfillment_conformance.waits import MARGIN, Waits


@pytest.fixture
def waits() -> Waits:
    return Waits(15.0, shortest=1.0, misses=2)


def test_at_first_all_the_time_that_was_allowed_is_taken(waits: Waits) -> None:
    waits.note(came=False, after=15.0)

    assert waits.limit == 15.0


def test_what_fails_to_come_again_and_again_is_waited_for_shortly(waits: Waits) -> None:
    for _ in range(2):
        waits.note(came=False, after=15.0)

    assert waits.limit == 1.0


@pytest.mark.parametrize(("slowest", "limit"), [(0.01, 1.0), (0.3, 0.3 * MARGIN), (9.0, 15.0)])
def test_a_slow_publisher_keeps_the_time_that_it_needs(waits: Waits, slowest: float, limit: float) -> None:
    for came, after in ((True, slowest), (True, slowest / 2), (False, 15.0), (False, 15.0)):
        waits.note(came=came, after=after)

    assert waits.limit == pytest.approx(limit)
