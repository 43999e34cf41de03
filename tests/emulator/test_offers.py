from typing import Any

import pytest

from fulfillment_conformance.emulator.documents import BadDocument
from fulfillment_conformance.emulator.identity.settings import FABRIKAM, IdentitySettings
from fulfillment_conformance.emulator.offers import BENEFICIARY, RESELLER, default_offers, offer_document, offers_from

IDENTITY = IdentitySettings()


def test_the_default_offers_have_a_plan_for_every_situation() -> None:
    crm, seats, desk = default_offers(IDENTITY)

    assert [plan.plan_id for plan in crm.plans] == [
        "silver",
        "gold",
        "trial",
        "private",
        "hidden",
        "multiyear",
        "auto",
    ]
    assert {plan.plan_id: (plan.min_quantity, plan.max_quantity) for plan in seats.plans} == {
        "team": (1, 100),
        "business": (5, 500),
        "auto-team": (1, 100),
    }
    private, hidden, multiyear = crm.plan("private"), crm.plan("hidden"), crm.plan("multiyear")
    assert private is not None
    assert private.visible_to(BENEFICIARY.tenant_id)
    assert hidden is not None
    assert not hidden.visible_to(BENEFICIARY.tenant_id)
    assert not hidden.visible_to(RESELLER.tenant_id)
    assert multiyear is not None
    assert [term.term_unit for term in multiyear.terms] == ["P1Y", "P2Y", "P3Y"]
    assert {plan.plan_id for plan in crm.plans + seats.plans if plan.auto_activate} == {"auto", "auto-team"}
    assert (crm.publisher_id, crm.app_id, desk.publisher_id, desk.app_id) == (
        "contoso",
        IDENTITY.client_id,
        "fabrikam",
        FABRIKAM.client_id,
    )


def test_an_offer_as_the_control_surface_shows_it_can_be_given_back() -> None:
    offers = default_offers(IDENTITY)
    shown = [offer_document(offer) for offer in offers]

    assert [offer_document(offer) for offer in offers_from(shown, IDENTITY)] == shown


def test_only_ids_are_needed() -> None:
    (offer,) = offers_from([{"offerId": "crm", "plans": [{"planId": "basic"}]}], IDENTITY)

    assert offer_document(offer)["plans"] == [
        {
            "planId": "basic",
            "displayName": "Basic",
            "isPrivate": False,
            "audience": [],
            "isPricePerSeat": False,
            "minQuantity": None,
            "maxQuantity": None,
            "hasFreeTrials": False,
            "isStopSell": False,
            "market": "US",
            "termUnits": ["P1M", "P1Y"],
            "autoActivate": False,
        }
    ]
    assert (offer.publisher_id, offer.tenant_id, offer.app_id) == ("contoso", IDENTITY.tenant_id, IDENTITY.client_id)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"plans": []}, "offers[0].offerId is missing"),
        ({"offerId": "crm", "plan": []}, "offers[0].plan is unknown"),
        ({"offerId": "crm", "plans": [{"planID": "a"}]}, "offers[0].plans[0].planID is unknown"),
        ({"offerId": "crm", "plans": [{"planId": "a", "minQuantity": "1"}]}, "offers[0].plans[0].minQuantity is '1'"),
        ({"offerId": "crm", "plans": [{"planId": "a", "audience": [1]}]}, "offers[0].plans[0].audience is [1]"),
        ("crm", "offers[0] is 'crm'"),
    ],
)
def test_a_fault_is_named_with_its_place(document: Any, message: str) -> None:
    with pytest.raises(BadDocument) as fault:
        offers_from([document], IDENTITY)
    assert message in str(fault.value)


@pytest.mark.parametrize("plan", [{"planId": "Capital"}, {"planId": "a", "termUnits": ["monthly"]}])
def test_what_the_marketplace_does_not_allow_is_refused_by_it(plan: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not allowed|not a duration"):
        offers_from([{"offerId": "crm", "plans": [plan]}], IDENTITY)
