from pathlib import Path
from typing import Any

import pytest
from tests.live.account import FLAT, PENDING, load, write

from fulfillment_conformance.live.section import is_preview
from fulfillment_conformance.yamlfile import InvalidContent

ONE = {"id": FLAT, "offer": "o-preview", "plan": "silver"}


def complaint(folder: Path, live: dict[str, Any]) -> str:
    with pytest.raises(InvalidContent) as told:
        load(write(folder, live))
    return str(told.value)


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ({"subscriptions": [ONE, ONE], "purchase_tokens": []}, "is given twice; remove one of them"),
        ({"subscriptions": [{**ONE, "may": ["reed"]}], "purchase_tokens": []}, "did you mean 'read'?"),
        ({"subscriptions": [{**ONE, "may": ["read", "read"]}], "purchase_tokens": []}, "'read' is given twice"),
        ({"subscriptions": [{**ONE, "may": ["cancel"]}], "purchase_tokens": []}, "add read"),
        ({"subscriptions": [{**ONE, "id": "x"}], "purchase_tokens": []}, "expected a GUID"),
        ({"subscriptions": [{"id": FLAT}], "purchase_tokens": []}, "missing; expected the id of its offer"),
        ({"subscriptions": [ONE]}, f"one is of subscription '{PENDING}', which is not among subscriptions"),
        ({"subscriptions": [{**ONE, "offer": "o"}], "purchase_tokens": []}, "offer 'o' does not end in -preview"),
        ({"requests_per_day": 0}, "must be greater than 0"),
        ({"requests_per_minute": 0}, "must be greater than 0"),
        ({"kill_switch": ""}, "must not be empty"),
        (
            {
                "purchase_tokens": [
                    {"token": "written-out", "obtained": "2026-11-22T08:30:00Z", "subscription": PENDING}
                ]
            },
            "a secret is not written into the file",
        ),
        (
            {"purchase_tokens": [{"token": "${PURCHASE_TOKEN}", "obtained": "yesterday", "subscription": PENDING}]},
            "expected a time such as 2026-11-22T08:30:00Z",
        ),
        (
            {
                "purchase_tokens": [
                    {"token": "${PURCHASE_TOKEN}", "obtained": "2026-11-22T08:30", "subscription": PENDING}
                ]
            },
            "expected a time with its zone",
        ),
    ],
)
def test_what_is_wrong_with_the_section_is_told(tmp_path: Path, live: dict[str, Any], said: str) -> None:
    assert said in complaint(tmp_path, live)


def test_a_production_offer_has_to_be_named_twice(tmp_path: Path) -> None:
    live = {"subscriptions": [{**ONE, "offer": "contoso-crm"}], "purchase_tokens": []}
    assert "name this one a second time in production_offers" in complaint(tmp_path, live)

    target = load(write(tmp_path, {**live, "production_offers": ["contoso-crm"]}))
    assert target.live is not None
    assert target.live.subscriptions[0].offer == "contoso-crm"
    assert is_preview("contoso-crm-preview")
    assert not is_preview("preview-of-crm")


WHO = {"tenant_id": "t", "client_id": "c"}
BY_SECRET = {**WHO, "client_secret": "${CLIENT_SECRET}"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"driver": "control"}, "only the driver live has it; remove this key"),
        ({"base_url": "http://marketplaceapi.microsoft.com/api"}, "begin it with https://"),
        ({"identity": WHO}, "missing; expected the application's secret"),
        (
            {"identity": {**BY_SECRET, "federated_token": "${CLIENT_SECRET}"}},
            "give client_secret or federated_token, not both",
        ),
        (
            {"identity": {**BY_SECRET, "client_certificate_password": "${CLIENT_SECRET}"}},
            "there is no client_certificate that it could open",
        ),
        ({"identity": {**BY_SECRET, "token_endpoint": "https://x/y"}}, "give authority instead"),
    ],
)
def test_what_belongs_to_the_live_service_stays_there(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    file = write(tmp_path, **changes)
    with pytest.raises(InvalidContent, match=said):
        load(file)
