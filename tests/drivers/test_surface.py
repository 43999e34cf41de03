from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.drivers.base import Bought
from fulfillment_conformance.drivers.surface import Surface, read
from fulfillment_conformance.errors import EnvironmentUnavailable, UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import CannotArrange

if TYPE_CHECKING:
    from pathlib import Path

    from tests.drivers.conftest import StandIn

TEXT = TypeAdapter(str)
BOUGHT = TypeAdapter(Bought)


def answered(body: bytes) -> Answer:
    return Answer(
        Exchange(
            sender="suite",
            receiver="control",
            method="GET",
            url="http://sandbox.example/control/x?token=hush",
            status=200,
            response_body=body,
        )
    )


@pytest.fixture
def surface(stand_in: "StandIn", exchanges: list[Exchange]) -> Iterator[Surface]:
    headers = {"x-control-key": "k"}
    with closing(Surface(f"{stand_in.url}/control/", observer=exchanges.append, headers=headers)) as opened:
        yield opened


def test_an_announced_answer_is_returned_and_the_exchange_is_told(
    surface: Surface, stand_in: "StandIn", exchanges: list[Exchange]
) -> None:
    stand_in.says("POST", "/control/things?a=b", 201, {"id": "7"})

    answer = surface.call("POST", "/things?a=b", purpose="make a thing", body={"n": 1}, answers=(201,))

    assert read(answer, TEXT, part="id") == "7"
    asked = stand_in.asked[0]
    assert asked.body == {"n": 1}
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-control-key"] == "k"
    told = exchanges[0]
    assert (told.sender, told.receiver, told.purpose, told.status) == ("suite", "control", "make a thing", 201)


def test_a_call_without_a_body_announces_none(surface: Surface, stand_in: "StandIn") -> None:
    stand_in.says("GET", "/control/things", 200, {})

    surface.call("GET", "/things", purpose="look", headers={"x-more": "1"})

    assert stand_in.asked[0].body is None
    assert "content-type" not in stand_in.asked[0].headers
    assert stand_in.asked[0].headers["x-more"] == "1"


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_refusal_keeps_the_targets_answer_and_its_reason(surface: Surface, stand_in: "StandIn", status: int) -> None:
    stand_in.says("POST", "/control/things", status, {"error": {"code": "WrongState", "message": "it is suspended"}})

    with pytest.raises(CannotArrange, match=rf"refused with {status} \(WrongState: it is suspended\)") as refused:
        surface.call("POST", "/things", purpose="make a thing", body={})

    assert refused.value.exchange is not None
    assert refused.value.exchange.status == status


def test_a_refusal_that_the_call_does_not_know_is_the_environments_fault(surface: Surface, stand_in: "StandIn") -> None:
    stand_in.says("GET", "/control/offers", 404, {"detail": "Not Found"})

    with pytest.raises(EnvironmentUnavailable, match="answered 404"):
        surface.call("GET", "/offers", purpose="list offers", refuses=())


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_named_as_the_thing_to_check_and_not_shown(
    surface: Surface, stand_in: "StandIn", status: int
) -> None:
    stand_in.says("GET", "/control/x", status)

    with pytest.raises(EnvironmentUnavailable, match="check the control key") as raised:
        surface.call("GET", "/x", purpose="look")

    assert "'k'" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "content_type", "shown"),
    [
        (b"", "text/plain", "(no body)"),
        (b"out of order", "text/plain", "(out of order)"),
        (b"<html>sign in</html>", "text/html", "(20 bytes of text/html"),
        (b"x" * 301, "text/plain", "(301 bytes of text/plain"),
        (b'{"error": {"code": "Broken", "message": "m"}}', "application/json", "(Broken: m)"),
    ],
)
def test_an_unexpected_status_says_what_came_and_what_was_expected(
    surface: Surface, stand_in: "StandIn", body: bytes, content_type: str, shown: str
) -> None:
    stand_in.says("GET", "/control/x", 502, body, content_type)

    with pytest.raises(EnvironmentUnavailable) as raised:
        surface.call("GET", "/x", purpose="look", answers=(200, 204))

    assert "answered 502" in str(raised.value)
    assert "expected 200 or 204" in str(raised.value)
    assert shown in str(raised.value)


def test_a_body_beyond_all_bounds_is_the_environments_fault(surface: Surface, stand_in: "StandIn") -> None:
    stand_in.says("GET", "/control/x", 200, b" " * (8 * 1024 * 1024 + 1))

    with pytest.raises(EnvironmentUnavailable, match="larger than"):
        surface.call("GET", "/x", purpose="look")


def test_nobody_there_is_the_environments_fault_and_is_told_too(exchanges: list[Exchange]) -> None:
    with (
        closing(Surface("http://127.0.0.1:1/control", observer=exchanges.append)) as surface,
        pytest.raises(EnvironmentUnavailable, match=r"look: GET http://127\.0\.0\.1:1/control/x got no usable answer"),
    ):
        surface.call("GET", "/x?token=hush", purpose="look")

    assert exchanges[0].status is None
    assert (exchanges[0].error or "").startswith("ConnectError")


def test_no_message_repeats_a_query(surface: Surface) -> None:
    with pytest.raises(EnvironmentUnavailable) as raised:
        surface.call("GET", "/x?token=hush", purpose="look")

    assert "hush" not in str(raised.value)


def test_a_missing_ca_file_is_a_usage_problem(tmp_path: "Path", exchanges: list[Exchange]) -> None:
    with pytest.raises(UsageProblem, match="tls_ca"):
        Surface("https://x.example", observer=exchanges.append, tls_ca=tmp_path / "nothing.pem")


def test_reading_a_whole_body_adds_what_the_caller_knows() -> None:
    bought = read(answered(b'{"token": "t", "more": 1}'), BOUGHT, subscriptionId="s")

    assert bought == Bought(subscription_id="s", token="t")


@pytest.mark.parametrize(
    ("body", "part", "fault"),
    [
        (b"", None, "it is not JSON"),
        (b"<html>", "now", "it is not JSON"),
        (b"{}", "now", "now is missing"),
        (b"[]", "now", "now is missing"),
        (b'{"now": 5}', "now", "now: Input should be a valid string"),
        (b'{"now": null}', "now", "now: Input should be a valid string"),
    ],
)
def test_a_body_of_another_shape_is_the_environments_fault(body: bytes, part: str | None, fault: str) -> None:
    with pytest.raises(EnvironmentUnavailable, match=fault):
        read(answered(body), TEXT, part=part)


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"5"])
def test_a_body_that_is_no_object_is_the_environments_fault(body: bytes) -> None:
    with pytest.raises(EnvironmentUnavailable, match="body: "):
        read(answered(body), BOUGHT, subscriptionId="s")


def test_every_wrong_field_is_named_and_no_value_is_quoted() -> None:
    with pytest.raises(EnvironmentUnavailable) as raised:
        read(answered(b'{"token": {"secret": "hush"}, "landingPageUrl": 5}'), BOUGHT)

    message = str(raised.value)
    assert "subscriptionId: Field required" in message
    assert "token: Input should be a valid string" in message
    assert "landingPageUrl: Input should be a valid string" in message
    assert "hush" not in message


def test_a_body_with_many_faults_names_the_first_five() -> None:
    with pytest.raises(EnvironmentUnavailable, match=r"4: .*; and 2 more"):
        read(answered(b"[1, 2, 3, 4, 5, 6, 7]"), TypeAdapter(tuple[str, ...]))
