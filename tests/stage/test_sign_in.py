"""Tests of what a buyer brings back from Entra: read, and brought otherwise."""

import pytest

from fulfillment_conformance.emulator.identity.settings import PERSONAL, STRANGER
from fulfillment_conformance.stage.buyer import FORM, Request
from fulfillment_conformance.stage.sign_in import bringing, brought_back, buying_as

CALLBACK = "https://isv.example/signed-in"


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (Request("GET", f"{CALLBACK}?code=a%2Bb&state="), {"code": "a+b", "state": ""}),
        (Request("POST", CALLBACK, b"id_token=x.y.z&state=s", FORM), {"id_token": "x.y.z", "state": "s"}),
        (Request("GET", f"{CALLBACK}#id_token=x"), {}),
        (Request("POST", f"{CALLBACK}?code=c", b"", FORM), {}),
    ],
)
def test_fields_are_read_from_where_they_are_brought(answer: Request, fields: dict[str, str]) -> None:
    assert brought_back(answer) == fields


@pytest.mark.parametrize(
    ("answer", "otherwise"),
    [
        (Request("GET", f"{CALLBACK}?code=c&state=s"), Request("GET", f"{CALLBACK}?code=a%2Bb")),
        (Request("POST", CALLBACK, b"code=c", FORM), Request("POST", CALLBACK, b"code=a%2Bb", FORM)),
    ],
)
def test_other_fields_go_the_same_way(answer: Request, otherwise: Request) -> None:
    assert bringing(answer, {"code": "a+b"}) == otherwise


def test_a_user_buys_under_his_address_in_his_tenant() -> None:
    stranger, personal = buying_as(STRANGER), buying_as(PERSONAL)

    assert (stranger.email, stranger.tenant_id) == (STRANGER.mail, STRANGER.tenant_id)
    assert (personal.email, personal.object_id) == (PERSONAL.user_principal_name, PERSONAL.object_id)
