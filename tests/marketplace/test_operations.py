from dataclasses import replace

import pytest
from tests.marketplace.conftest import World

from fulfillment_conformance.marketplace import Action, OperationStatus, Source


def test_the_words_are_microsofts() -> None:
    assert {str(action) for action in Action} == {
        "Subscribe",
        "ChangePlan",
        "ChangeQuantity",
        "Renew",
        "Suspend",
        "Reinstate",
        "Unsubscribe",
    }
    assert [str(status) for status in OperationStatus] == [
        "NotStarted",
        "InProgress",
        "Succeeded",
        "Failed",
        "Conflict",
    ]
    assert [str(source) for source in Source] == ["Azure", "Partner"]


@pytest.mark.parametrize("action", Action)
def test_an_action_is_a_change_or_for_information_or_a_reinstatement(action: Action) -> None:
    assert action.is_change is (action in {Action.CHANGE_PLAN, Action.CHANGE_QUANTITY})
    assert action.is_notify_only is (action not in {Action.CHANGE_PLAN, Action.CHANGE_QUANTITY, Action.REINSTATE})


def test_an_operation_is_pending_until_it_has_an_outcome(world: World) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")

    assert [status for status in OperationStatus if replace(operation, status=status).is_pending] == [
        OperationStatus.NOT_STARTED,
        OperationStatus.IN_PROGRESS,
    ]


def test_a_delivery_names_the_action_of_its_operation(world: World) -> None:
    world.market.suspend(world.active())
    (delivery,) = world.market.take_deliveries()

    assert delivery.action is delivery.operation.action is Action.SUSPEND
