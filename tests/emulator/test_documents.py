from typing import Any

import pytest

from fulfillment_conformance.emulator.documents import GUID, BadDocument, values_in

KINDS: dict[str, type] = {"name": str, "seats": int, "renews": bool, "plans": list, "buyer": dict}


def test_values_come_back_as_they_were_given() -> None:
    document = {"name": "x", "seats": 0, "renews": False, "plans": [], "buyer": {}}

    assert values_in(document, KINDS, "body") == document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "body is None; give an object"),
        ([1], "give an object"),
        ({"nmae": "x"}, "body.nmae is unknown; known are name, seats"),
        ({"name": 3}, "body.name is 3; give a string"),
        ({"name": None}, "body.name is None; give a string"),
        ({"seats": True}, "body.seats is True; give an integer"),
        ({"seats": 1.0}, "body.seats is 1.0; give an integer"),
        ({"renews": 1}, "body.renews is 1; give true or false"),
        ({"plans": {}}, "give an array"),
        ({"buyer": []}, "give an object"),
        ({}, "body.name is missing; give a string"),
    ],
)
def test_a_fault_is_named_with_place_value_and_remedy(document: Any, message: str) -> None:
    with pytest.raises(BadDocument) as fault:
        values_in(document, KINDS, "body", needed=("name",))
    assert message in str(fault.value)


def test_null_is_a_value_where_it_may_be() -> None:
    assert values_in({"name": None}, KINDS, "body", nullable=("name",)) == {"name": None}


def test_a_guid_has_dashes_and_either_case() -> None:
    assert GUID.fullmatch("8D1F3A52-64b0-4c4e-9b4e-0a5f7e2c1d10")
    assert not GUID.fullmatch("8d1f3a5264b04c4e9b4e0a5f7e2c1d10")
    assert not GUID.fullmatch("{8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10}")
