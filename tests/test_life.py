from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.life import TARGET, Life


class Found:
    def __init__(self, *parts: str) -> None:
        self.parts = set(parts)

    def __call__(self, exchange: Exchange) -> None:
        """Find nothing new: what shows itself is said beforehand."""

    def alive(self) -> set[str]:
        return self.parts


def test_every_test_relies_on_the_target() -> None:
    life = Life()
    life.called("resolve")

    assert life.take_called() == ("resolve", TARGET)
    assert life.take_called() == (TARGET,)


def test_without_a_sign_of_life_nothing_is_alive() -> None:
    life = Life()
    life.called("resolve")

    assert life.take_alive() == ()
    life.signs = Found()
    assert life.take_alive() == ()
    assert life.unproven == {"resolve", TARGET}


def test_any_sign_is_one_of_the_target_and_told_once() -> None:
    life = Life()
    life.signs = found = Found("resolve")

    assert life.take_alive() == ("resolve", TARGET)
    found.parts.add("activate")
    assert life.take_alive() == ("activate",)


def test_what_was_called_is_unproven_until_it_shows_itself() -> None:
    life = Life()
    life.called("resolve")
    life.called("activate")
    life.take_called()
    life.signs = Found("resolve")

    assert life.unproven == {"activate"}


def test_no_test_relies_on_what_is_called_aside() -> None:
    life = Life()
    with life.aside():
        life.called("resolve")
    life.called("activate")

    assert life.take_called() == ("activate", TARGET)
