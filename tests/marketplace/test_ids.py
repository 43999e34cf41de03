from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fulfillment_conformance.marketplace import Ids


@given(st.integers())
def test_every_seed_gives_random_guids_in_canonical_form(seed: int) -> None:
    guid = Ids(seed).guid()

    assert str(UUID(guid)) == guid
    assert UUID(guid).version == 4
    assert UUID(guid).variant == "specified in RFC 4122"


def test_equal_seeds_give_equal_sequences_and_different_seeds_do_not() -> None:
    def drawn(seed: int) -> list[str]:
        ids = Ids(seed)
        return [ids.guid() for _ in range(100)]

    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))


def test_nothing_is_drawn_twice() -> None:
    ids = Ids(0)

    assert len({ids.guid() for _ in range(1000)}) == 1000


def test_bytes_come_in_the_length_asked_for() -> None:
    ids = Ids(0)

    assert [len(ids.token_bytes(n)) for n in (0, 1, 16, 133, 1000)] == [0, 1, 16, 133, 1000]
