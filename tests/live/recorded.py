"""Runs to make recordings out of: calls to a stand-in of the live service, written down as a run writes them."""

from pathlib import Path

from tests.live.account import DOOMED, FLAT, PENDING, SEATS, TOKEN, UNLISTED, account

from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.emulator.settings import Profile
from fulfillment_conformance.evidence import Recorder
from fulfillment_conformance.redaction import Redactor


def run_against(folder: Path, profile: Profile) -> Path:
    """Call a stand-in of a profile, behind TLS and with a token from msal, and return the folder of what was said."""
    output = folder / "output"
    with account(folder, profile=profile) as acc:
        redactor = Redactor(acc.target.secrets)
        with (
            Recorder(output / "exchanges.jsonl", redactor) as recorder,
            acc.service(observer=recorder, redactor=redactor) as service,
        ):
            read_everything(service.client)
            change_a_plan(service.client)
            change_seats(service.client)
            cancel(service.client)
    return output


def read_everything(client: FulfillmentClient) -> None:
    client.list_subscriptions()
    client.list_subscriptions(token=None)
    client.get_subscription(FLAT, api_version=None)
    client.get_subscription(FLAT, token="of-somebody-else")
    for subscription in (FLAT, PENDING, SEATS, DOOMED):
        client.get_subscription(subscription)
        client.list_operations(subscription)
    client.get_operation(FLAT, UNLISTED)
    client.list_available_plans(FLAT)
    client.list_available_plans(SEATS, plan="team")
    client.resolve(None)
    client.resolve("too-short")
    client.resolve(TOKEN)


def change_a_plan(client: FulfillmentClient) -> None:
    operation = client.change_plan(FLAT, "gold").operation_id
    assert operation is not None
    client.get_operation(FLAT, operation)
    client.list_operations(FLAT)
    client.get_subscription(FLAT)
    client.change_plan(FLAT, "a-plan-nobody-has")
    client.update_operation(FLAT, operation, "Success")
    client.get_operation(FLAT, operation)
    client.get_subscription(FLAT)


def change_seats(client: FulfillmentClient) -> None:
    operation = client.change_quantity(SEATS, 12).operation_id
    assert operation is not None
    client.get_operation(SEATS, operation)


def cancel(client: FulfillmentClient) -> None:
    operation = client.cancel(DOOMED).operation_id
    assert operation is not None
    client.get_operation(DOOMED, operation)
    client.get_subscription(DOOMED)
    client.cancel(DOOMED)
