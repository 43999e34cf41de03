from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from fulfillment_conformance.contract import Contract
from fulfillment_conformance.emulator.offers import BENEFICIARY, RESELLER
from fulfillment_conformance.emulator.wire import Wire, timestamp
from fulfillment_conformance.marketplace import (
    DOCUMENTED,
    OBSERVED,
    Action,
    BillingTerm,
    Channel,
    Delivery,
    MeteredQuantity,
    MeteringDimension,
    Operation,
    OperationStatus,
    Plan,
    Source,
    Subscription,
    SubscriptionStatus,
    Term,
)

AT = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
ID = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION_ID = "74dfb4db-c193-4891-827d-eb05fbdc64b0"


def subscription(**changes: Any) -> Subscription:
    values: dict[str, Any] = {
        "id": ID,
        "name": "Contoso Crm",
        "publisher_id": "contoso",
        "offer_id": "contoso-seats",
        "plan_id": "team",
        "quantity": 20,
        "status": SubscriptionStatus.SUBSCRIBED,
        "beneficiary": BENEFICIARY,
        "purchaser": BENEFICIARY,
        "term": Term(unit="P1M").begin(date(2026, 3, 4)),
        "auto_renew": True,
        "is_free_trial": False,
        "is_test": False,
        "channel": Channel.DIRECT,
        "allowed_customer_operations": ("Read", "Update", "Delete"),
        "session_mode": "None",
        "sandbox_type": "None",
        "created": AT,
        "purchased_plan_id": "team",
        "private_offer_id": None,
    }
    return Subscription(**{**values, **changes})


def operation(action: Action = Action.CHANGE_QUANTITY, **changes: Any) -> Operation:
    values: dict[str, Any] = {
        "id": OPERATION_ID,
        "activity_id": "11111111-2222-4333-8444-555555555555",
        "subscription_id": ID,
        "publisher_id": "contoso",
        "offer_id": "contoso-seats",
        "plan_id": "team",
        "quantity": 25,
        "action": action,
        "status": OperationStatus.SUCCEEDED if action.is_notify_only else OperationStatus.IN_PROGRESS,
        "source": Source.AZURE,
        "created": AT,
    }
    return Operation(**{**values, **changes})


def delivery(announced: Operation, nested: Subscription | None) -> Delivery:
    return Delivery(id="1", operation=announced, subscription=nested, attempt=1, sent_at=AT)


def observed(seed: int = 0, **changes: Any) -> Wire:
    return Wire(replace(OBSERVED, **changes), profile="observed", seed=seed)


DOCUMENTED_WIRE = Wire(DOCUMENTED)


def test_a_time_is_utc_with_seven_digits_and_z() -> None:
    assert timestamp(AT) == "2026-03-04T05:06:07.0008900Z"
    assert timestamp(datetime(2026, 3, 4, 1, tzinfo=timezone(timedelta(hours=2)))) == "2026-03-03T23:00:00.0000000Z"


def test_a_subscription_has_every_documented_field() -> None:
    person = {
        "emailId": BENEFICIARY.email,
        "objectId": BENEFICIARY.object_id,
        "tenantId": BENEFICIARY.tenant_id,
        "puid": BENEFICIARY.puid,
    }

    assert DOCUMENTED_WIRE.subscription(subscription()) == {
        "id": ID,
        "name": "Contoso Crm",
        "publisherId": "contoso",
        "offerId": "contoso-seats",
        "planId": "team",
        "quantity": 20,
        "beneficiary": person,
        "purchaser": person,
        "term": {
            "startDate": "2026-03-04T00:00:00Z",
            "endDate": "2026-04-03T00:00:00Z",
            "termUnit": "P1M",
            "chargeDuration": None,
        },
        "autoRenew": True,
        "isTest": False,
        "isFreeTrial": False,
        "allowedCustomerOperations": ["Read", "Update", "Delete"],
        "sessionMode": "None",
        "sandboxType": "None",
        "created": "2026-03-04T05:06:07.0008900Z",
        "lastModified": "0001-01-01T00:00:00",
        "saasSubscriptionStatus": "Subscribed",
    }


def test_before_activation_a_term_has_no_days_and_a_flat_plan_no_seats() -> None:
    document = DOCUMENTED_WIRE.subscription(subscription(term=Term(unit="P3Y", charge_duration="P1M"), quantity=None))

    assert document["term"] == {"termUnit": "P3Y", "chargeDuration": "P1M"}
    assert "quantity" not in document


def test_resolve_repeats_the_purchase_above_the_subscription() -> None:
    document = DOCUMENTED_WIRE.resolved(subscription())

    assert document == {
        "id": ID,
        "subscriptionName": "Contoso Crm",
        "offerId": "contoso-seats",
        "planId": "team",
        "quantity": 20,
        "subscription": DOCUMENTED_WIRE.subscription(subscription()),
    }


def test_a_plan_shows_prices_meters_limits_and_its_private_offer() -> None:
    dimension = MeteringDimension(
        id="calls", unit_of_measure="thousand", display_name="Calls", price_per_unit=Decimal("0.5")
    )
    term = BillingTerm(
        term_unit="P1Y",
        price=Decimal("99.90"),
        term_description="Yearly",
        metered_quantity_included=(MeteredQuantity(dimension_id="calls", units="100"),),
    )
    plan = Plan(
        plan_id="team",
        is_price_per_seat=True,
        max_quantity=9,
        terms=(term,),
        metering_dimensions=(dimension,),
        source_offers=(OPERATION_ID,),
    )
    (document,) = DOCUMENTED_WIRE.plans([plan])["plans"]

    assert document["planComponents"] == {
        "recurrentBillingTerms": [
            {
                "currency": "USD",
                "price": 99.9,
                "termUnit": "P1Y",
                "termDescription": "Yearly",
                "meteredQuantityIncluded": [{"dimensionId": "calls", "units": "100"}],
            }
        ],
        "meteringDimensions": [
            {
                "id": "calls",
                "currency": "USD",
                "pricePerUnit": 0.5,
                "unitOfMeasure": "thousand",
                "displayName": "Calls",
            }
        ],
    }
    assert (document["minQuantity"], document["maxQuantity"]) == (1, 9)
    assert document["sourceOffers"] == [{"externalId": OPERATION_ID}]


def test_a_flat_plan_has_no_limits_and_whole_prices_are_whole() -> None:
    (document,) = DOCUMENTED_WIRE.plans([Plan(plan_id="silver")])["plans"]

    assert not {"minQuantity", "maxQuantity", "sourceOffers"} & set(document)
    assert [term["price"] for term in document["planComponents"]["recurrentBillingTerms"]] == [10, 100]


def test_an_operation_says_what_went_wrong_only_when_it_is_read_alone() -> None:
    failed = operation(status=OperationStatus.FAILED, error_status_code="Failed", error_message="No.")
    listed = DOCUMENTED_WIRE.listed_operation(failed)

    assert DOCUMENTED_WIRE.operation(failed) == {**listed, "errorStatusCode": "Failed", "errorMessage": "No."}
    assert listed == {
        "id": OPERATION_ID,
        "activityId": "11111111-2222-4333-8444-555555555555",
        "subscriptionId": ID,
        "offerId": "contoso-seats",
        "publisherId": "contoso",
        "planId": "team",
        "quantity": 25,
        "action": "ChangeQuantity",
        "timeStamp": "2026-03-04T05:06:07.0008900Z",
        "status": "Failed",
    }


@pytest.mark.parametrize("action", Action)
def test_every_documented_payload_is_as_the_openapi_file_says(action: Action) -> None:
    status = {
        Action.SUSPEND: SubscriptionStatus.SUSPENDED,
        Action.REINSTATE: SubscriptionStatus.SUSPENDED,
        Action.UNSUBSCRIBE: SubscriptionStatus.UNSUBSCRIBED,
    }.get(action, SubscriptionStatus.SUBSCRIBED)
    payload = DOCUMENTED_WIRE.notification(delivery(operation(action), subscription(status=status)))

    assert not Contract.load().webhook_violations(action, payload)
    assert payload["status"] == ("Succeeded" if action.is_notify_only else "InProgress")
    assert payload["quantity"] == 25
    assert payload["subscription"]["quantity"] == 20
    assert payload["purchaseToken"] is None


def test_without_a_subscription_the_payload_has_six_fields() -> None:
    payload = observed().notification(delivery(operation(Action.SUBSCRIBE), None))

    assert set(payload) == {
        "id",
        "activityId",
        "operationRequestSource",
        "subscriptionId",
        "timeStamp",
        "action",
    }


def varied(show: Callable[[Wire], Any]) -> set[str]:
    """What different seeds make of one thing."""
    return {repr(show(observed(seed))) for seed in range(40)}


def test_observed_times_end_in_three_ways() -> None:
    event = operation()
    shown = varied(lambda wire: wire.operation(event)["timeStamp"][27:])

    assert shown == {"'Z'", "'+00:00'", "''"}


def test_observed_terms_sometimes_have_no_days() -> None:
    assert varied(lambda wire: "startDate" in wire.subscription(subscription())["term"]) == {"True", "False"}


def test_observed_cancellations_describe_nothing() -> None:
    event = delivery(operation(Action.UNSUBSCRIBE), subscription())
    shown = varied(lambda wire: [wire.notification(event)[key] for key in ("offerId", "planId", "quantity", "status")])

    assert shown == {"['', '', '', '']", "[None, None, None, 'NotStarted']"}


def test_what_is_observed_of_one_thing_is_always_the_same() -> None:
    event = delivery(operation(), subscription())

    assert observed(5).notification(event) == observed(5).notification(event)


def test_observed_seats_are_text_and_sometimes_missing() -> None:
    wire = observed()

    assert wire.subscription(subscription())["quantity"] == "20"
    assert wire.subscription(subscription(quantity=None))["quantity"] == ""
    assert wire.operation(operation())["quantity"] == "25"
    assert "quantity" not in wire.subscription(subscription(channel=Channel.CSP, purchaser=RESELLER))
    assert "quantity" not in wire.subscription(subscription(status=SubscriptionStatus.UNSUBSCRIBED))


def test_observed_leaves_out_creation_time_and_the_source_of_own_changes() -> None:
    wire = observed()
    own = wire.notification(delivery(operation(source=Source.PARTNER), subscription()))
    theirs = wire.notification(delivery(operation(), subscription()))

    assert "created" not in own["subscription"]
    assert "operationRequestSource" not in own
    assert theirs["operationRequestSource"] == "Azure"
    assert wire.notification(delivery(operation(Action.SUSPEND), subscription()))["status"] == "Success"
