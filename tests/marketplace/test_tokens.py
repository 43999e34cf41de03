import base64
import string
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fulfillment_conformance.marketplace import Ids
from fulfillment_conformance.marketplace.tokens import PurchaseTokens, Seal

SEAL = Seal(b"key")
TOKENS = PurchaseTokens(Ids(3))
SUBSCRIPTION = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
TOMORROW = datetime(2026, 2, 1, 12, 30, 15, 123456, tzinfo=UTC)


@given(st.binary(max_size=300))
def test_what_is_sealed_can_be_read_again(content: bytes) -> None:
    assert SEAL.open(SEAL.close(content)) == content


@given(st.binary(max_size=300))
def test_sealed_text_always_needs_percent_encoding(content: bytes) -> None:
    text = SEAL.close(content)

    assert {"+", "/", "="} <= set(text)
    assert set(text) <= set(string.ascii_letters + string.digits + "+/=")


@given(st.text(max_size=80))
def test_no_other_text_is_read(text: str) -> None:
    assert SEAL.open(text) is None


def test_no_foreign_base64_is_read() -> None:
    assert all(SEAL.open(base64.b64encode(bytes(n)).decode()) is None for n in range(64))


def test_another_key_reads_nothing() -> None:
    assert Seal(b"another key").open(SEAL.close(b"content")) is None


def test_sealed_text_does_not_show_its_content() -> None:
    assert b"visible" not in base64.b64decode(SEAL.close(b"visible content"))


def test_a_purchase_token_is_as_long_as_one_seen_live_and_gives_back_what_it_stands_for() -> None:
    token = TOKENS.issue(SUBSCRIPTION, TOMORROW)

    assert len(token) == 236
    assert TOKENS.read(token) == (SUBSCRIPTION, TOMORROW)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), st.uuids())  # noqa: DTZ001 - made aware below
def test_every_purchase_token_can_be_read(moment: datetime, subscription_id: object) -> None:
    expires = moment.replace(tzinfo=UTC)

    assert TOKENS.read(TOKENS.issue(str(subscription_id), expires)) == (str(subscription_id), expires)


def test_two_tokens_for_one_subscription_differ_and_are_both_good() -> None:
    one, two = TOKENS.issue(SUBSCRIPTION, TOMORROW), TOKENS.issue(SUBSCRIPTION, TOMORROW)

    assert one != two
    assert TOKENS.read(one) == TOKENS.read(two) == (SUBSCRIPTION, TOMORROW)
    assert len({one[:20], two[:20]}) == len({one[-20:], two[-20:]}) == 2


def test_every_changed_character_is_noticed() -> None:
    token = TOKENS.issue(SUBSCRIPTION, TOMORROW)

    for place, character in enumerate(token):
        for other in {"A", "B", "b", "+", "/", "=", " ", chr(ord(character) ^ 1)} - {character}:
            assert TOKENS.read(token[:place] + other + token[place + 1 :]) is None


def test_every_other_last_character_is_noticed_though_decoding_ignores_some_of_its_bits() -> None:
    token = TOKENS.issue(SUBSCRIPTION, TOMORROW)
    alphabet = string.ascii_letters + string.digits + "+/"

    assert [c for c in alphabet if TOKENS.read(token[:-2] + c + "=") is not None] == [token[-2]]


def test_what_decoding_once_too_often_or_not_at_all_makes_of_a_token_is_noticed() -> None:
    token = TOKENS.issue(SUBSCRIPTION, TOMORROW)

    assert TOKENS.read(token.replace("+", " ")) is None
    assert TOKENS.read(token.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")) is None
    assert TOKENS.read(token.rstrip("=")) is None
    assert TOKENS.read(f" {token}") is None
    assert TOKENS.read(f"{token}\n") is None
    assert TOKENS.read(token[:-4]) is None
    assert TOKENS.read("ä" + token) is None


def test_tokens_come_from_the_seed() -> None:
    def token(seed: int) -> str:
        return PurchaseTokens(Ids(seed)).issue(SUBSCRIPTION, TOMORROW)

    assert token(1) == token(1)
    assert token(1) != token(2)
    assert PurchaseTokens(Ids(1)).read(token(2)) is None


def test_validity_is_kept_to_the_microsecond() -> None:
    assert TOKENS.read(TOKENS.issue(SUBSCRIPTION, TOMORROW + timedelta(microseconds=1))) == (
        SUBSCRIPTION,
        TOMORROW + timedelta(microseconds=1),
    )
