import inspect

from pydantic import TypeAdapter

from fulfillment_conformance.drivers.base import CAPABILITIES, Bought, Driver, IdentityInfo, OfferInfo, PlanInfo


def test_what_is_read_from_the_wire_equals_what_python_code_makes() -> None:
    wire = {
        "offerId": "contoso-crm",
        "publisherId": "contoso",
        "plans": [{"planId": "gold", "termUnits": ["P1M", "P1Y"], "isPrivate": True, "audience": ["t"], "novelty": 1}],
    }
    made = OfferInfo(
        offer_id="contoso-crm",
        publisher_id="contoso",
        plans=(PlanInfo(plan_id="gold", term_units=("P1M", "P1Y"), is_private=True, audience=("t",)),),
    )

    assert TypeAdapter(OfferInfo).validate_python(wire) == made


def test_no_token_or_secret_shows_when_a_value_is_printed() -> None:
    bought = Bought(subscription_id="s", token="hush", landing_page_url="https://x.example/?token=hush")
    identity = IdentityInfo(
        tenant_id="t", client_id="c", client_secret="hush", authority="a", token_endpoint="e", resource="r"
    )

    assert "hush" not in repr(bought) + repr(identity)


def test_the_protocol_documents_each_of_its_members() -> None:
    members = [member for name, member in vars(Driver).items() if not name.startswith("_")]

    assert members
    assert all(inspect.getdoc(member) for member in members)


def test_the_capabilities_are_those_of_version_1_of_the_control_protocol() -> None:
    assert len(CAPABILITIES) == 17
