from pathlib import Path

import pytest
import yaml
from tests.live.account import FLAT, SEATS, UNLISTED, Account, account, load

from fulfillment_conformance.emulator.faults import Answers, Rewrites
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.live.inventory import owned, plans, proposal


def test_what_the_account_has_is_shown_whether_it_is_listed_or_not(acc: Account) -> None:
    with acc.service() as service:
        subscriptions = owned(service)

    by_id = {each.id: each for each in subscriptions}
    assert len(by_id) == 5
    assert by_id[UNLISTED].is_listed is False
    assert by_id[FLAT].is_listed
    assert (by_id[SEATS].plan, by_id[SEATS].quantity, by_id[SEATS].status) == ("team", "10", "Subscribed")
    assert not [each for each in acc.arrived if UNLISTED in each.url]


def test_plans_are_asked_of_listed_subscriptions_only(acc: Account) -> None:
    with acc.service() as service:
        offers = plans(service)

    assert [(offer["offerId"], [plan["planId"] for plan in offer["plans"]]) for offer in offers] == [
        ("contoso-crm-preview", ["silver", "gold"]),
        ("contoso-seats-preview", ["team", "business"]),
    ]
    assert offers[1]["plans"][0] == {
        "planId": "team",
        "isPricePerSeat": True,
        "minQuantity": 1,
        "maxQuantity": 100,
        "termUnits": ["P1M", "P1Y"],
    }
    assert not [each for each in acc.arrived if UNLISTED in each.url]


def test_the_proposal_is_a_section_that_loads_and_allows_reading_only(acc: Account, tmp_path: Path) -> None:
    with acc.service() as service:
        text = proposal(owned(service), plans(service))
    document = yaml.safe_load(acc.file.read_text())
    document["marketplace"] |= yaml.safe_load(text)
    (tmp_path / "proposed.yaml").write_text(yaml.safe_dump(document))

    target = load(tmp_path / "proposed.yaml")
    assert target.live is not None
    assert len(target.live.subscriptions) == 5
    assert {each.may for each in target.live.subscriptions} == {("read",)}
    assert [offer.offer_id for offer in target.offers] == ["contoso-crm-preview", "contoso-seats-preview"]


def test_production_offers_are_proposed_as_comments_and_cancelled_ones_not_at_all(tmp_path: Path) -> None:
    with account(tmp_path, {"subscriptions": [], "purchase_tokens": []}) as acc, acc.service() as service:

        def altered(document: dict[str, list[dict[str, str]]]) -> object:
            first, second, *rest = document["subscriptions"]
            return {
                "subscriptions": [
                    {**first, "offerId": "contoso-crm"},
                    {**second, "saasSubscriptionStatus": "Unsubscribed"},
                    *rest,
                ]
            }

        acc.emulator.faults.add(Rewrites(altered), call="list_subscriptions")
        text = proposal(owned(service), [])

    assert len(yaml.safe_load(text)["live"]["subscriptions"]) == 3
    assert "production_offers names them" in text
    assert text.count("offer: contoso-crm,") == 1
    assert proposal([], []) == "live:\n  subscriptions: []"


def test_a_list_that_cannot_be_read_ends_it(acc: Account) -> None:
    acc.emulator.faults.add(Answers(500, {}), call="list_subscriptions")
    with acc.service() as service, pytest.raises(EnvironmentUnavailable, match="answered 500"):
        owned(service)
