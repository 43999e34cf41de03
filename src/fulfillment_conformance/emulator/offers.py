"""What can be bought in the emulator, and by whom; offers in the shape of the control protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fulfillment_conformance.emulator.documents import BadDocument, values_in
from fulfillment_conformance.emulator.identity.settings import BUYER, FABRIKAM, STRANGER_TENANT_ID, IdentitySettings
from fulfillment_conformance.marketplace import (
    MONTHLY,
    YEARLY,
    BillingTerm,
    Customer,
    MeteredQuantity,
    MeteringDimension,
    Offer,
    Plan,
)

BENEFICIARY = Customer(
    email=BUYER.mail or BUYER.user_principal_name,
    object_id=BUYER.object_id,
    tenant_id=BUYER.tenant_id,
    puid=BUYER.puid,
)
"""Who buys, and uses what he bought, unless a purchase says otherwise."""

RESELLER = Customer(
    email="orders@tailwind-partner.example",
    object_id="94c7e3b5-18f2-4d6a-a07e-5b3c9f1d8246",
    tenant_id="e58a2f10-9d4b-47c6-8b3e-0c1d7f6a9542",
    puid="100320009C7E3B51",
)
"""Who buys for customers in the reseller channel, unless a purchase says otherwise."""


def default_offers(identity: IdentitySettings) -> tuple[Offer, ...]:
    """Return two offers of `contoso`, whose application is `identity`, and one of a second publisher, `fabrikam`."""
    contoso = {"publisher_id": "contoso", "tenant_id": identity.tenant_id, "app_id": identity.client_id}
    multiyear = tuple(
        BillingTerm(term_unit=f"P{years}Y", term_description=f"{years}-year plan", charge_duration=charged)
        for years, charged in ((1, None), (2, "P1Y"), (3, "P1M"))
    )
    calls = MeteringDimension(
        id="calls", unit_of_measure="thousand calls", display_name="Calls", price_per_unit=Decimal("0.5")
    )
    included = (MeteredQuantity(dimension_id=calls.id, units="100"),)
    metered = tuple(replace(term, metered_quantity_included=included) for term in (MONTHLY, YEARLY))
    for_beneficiary, for_stranger = frozenset({BENEFICIARY.tenant_id}), frozenset({STRANGER_TENANT_ID})
    flat = (
        Plan(plan_id="silver", description="For small teams."),
        Plan(plan_id="gold", description="For large teams.", terms=metered, metering_dimensions=(calls,)),
        Plan(plan_id="trial", description="One month without charge.", has_free_trials=True),
        Plan(plan_id="private", description="Negotiated.", is_private=True, audience=for_beneficiary),
        Plan(plan_id="hidden", description="Negotiated by somebody else.", is_private=True, audience=for_stranger),
        Plan(plan_id="multiyear", description="One to three years.", terms=multiyear),
        Plan(plan_id="auto", description="Active at once.", auto_activate=True),
    )
    per_seat = (
        Plan(plan_id="team", is_price_per_seat=True, min_quantity=1, max_quantity=100),
        Plan(plan_id="business", is_price_per_seat=True, min_quantity=5, max_quantity=500),
        Plan(plan_id="auto-team", is_price_per_seat=True, min_quantity=1, max_quantity=100, auto_activate=True),
    )
    return (
        Offer(offer_id="contoso-crm", plans=flat, **contoso),
        Offer(offer_id="contoso-seats", plans=per_seat, **contoso),
        Offer(
            offer_id="fabrikam-desk",
            publisher_id="fabrikam",
            tenant_id=FABRIKAM.tenant_id,
            app_id=FABRIKAM.client_id,
            plans=(Plan(plan_id="basic"), Plan(plan_id="pro")),
        ),
    )


def offer_document(offer: Offer) -> dict[str, Any]:
    """Return an offer as the control protocol shows it."""
    return {
        "offerId": offer.offer_id,
        "publisherId": offer.publisher_id,
        "plans": [
            {
                "planId": plan.plan_id,
                "displayName": plan.display_name,
                "isPrivate": plan.is_private,
                "audience": sorted(plan.audience),
                "isPricePerSeat": plan.is_price_per_seat,
                "minQuantity": plan.min_quantity if plan.is_price_per_seat else None,
                "maxQuantity": plan.max_quantity if plan.is_price_per_seat else None,
                "hasFreeTrials": plan.has_free_trials,
                "isStopSell": plan.is_stop_sell,
                "market": plan.market,
                "termUnits": [term.term_unit for term in plan.terms],
                "autoActivate": plan.auto_activate,
            }
            for plan in offer.plans
        ],
    }


def offers_from(documents: Sequence[Mapping[str, Any]], identity: IdentitySettings) -> tuple[Offer, ...]:
    """Return the offers that documents in the shape of the control protocol describe.

    `offerId` and each plan's `planId` are needed, everything else has the default of an ordinary flat plan.
    `publisherId` is `contoso` unless given; offers of `fabrikam` belong to the second publisher, all others to
    `identity`.

    Raises:
        BadDocument: a key is unknown or missing, or a value of the wrong type.
        ValueError: a value is not allowed.
    """
    return tuple(_offer(document, identity, f"offers[{index}]") for index, document in enumerate(documents))


_OFFER_KEYS: Mapping[str, type] = {"offerId": str, "publisherId": str, "plans": list}
_PLAN_KEYS: Mapping[str, tuple[str, type]] = {
    "planId": ("plan_id", str),
    "displayName": ("display_name", str),
    "isPrivate": ("is_private", bool),
    "audience": ("audience", list),
    "isPricePerSeat": ("is_price_per_seat", bool),
    "minQuantity": ("min_quantity", int),
    "maxQuantity": ("max_quantity", int),
    "hasFreeTrials": ("has_free_trials", bool),
    "isStopSell": ("is_stop_sell", bool),
    "market": ("market", str),
    "termUnits": ("terms", list),
    "autoActivate": ("auto_activate", bool),
}


def _offer(document: Mapping[str, Any], identity: IdentitySettings, place: str) -> Offer:
    values = values_in(document, _OFFER_KEYS, place, needed=("offerId", "plans"))
    publisher_id = values.get("publisherId", "contoso")
    owner = FABRIKAM if publisher_id == "fabrikam" else identity
    plans = tuple(_plan(plan, f"{place}.plans[{index}]") for index, plan in enumerate(values["plans"]))
    return Offer(
        offer_id=values["offerId"],
        publisher_id=publisher_id,
        tenant_id=owner.tenant_id,
        app_id=owner.client_id,
        plans=plans,
    )


def _plan(document: Mapping[str, Any], place: str) -> Plan:
    kinds = {key: kind for key, (_, kind) in _PLAN_KEYS.items()}
    values = values_in(document, kinds, place, needed=("planId",), nullable=("minQuantity", "maxQuantity"))
    arguments: dict[str, Any] = {_PLAN_KEYS[key][0]: value for key, value in values.items() if value is not None}
    for key in ("audience", "termUnits"):
        if not all(isinstance(item, str) for item in values.get(key, ())):
            raise BadDocument(f"{place}.{key} is {values[key]!r}; give a list of strings")
    if "audience" in arguments:
        arguments["audience"] = frozenset(arguments["audience"])
    if "terms" in arguments:
        arguments["terms"] = tuple(_term(unit) for unit in arguments["terms"])
    return Plan(**arguments)


def _term(unit: str) -> BillingTerm:
    known = {MONTHLY.term_unit: MONTHLY, YEARLY.term_unit: YEARLY}
    return known.get(unit) or BillingTerm(term_unit=unit)
