from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
COMPLETE = {
    "planId": "gold",
    "offerId": "contoso-crm",
    "publisherId": "contoso",
    "quantity": None,
    "subscription": {"term": {"endDate": "2026-01-31"}},
}

Document = Callable[..., dict[str, Any]]
Probe = Callable[["World"], Awaitable[bool]]


@pytest.fixture
def taking(operation: Document) -> Callable[..., Probe]:
    """Return what makes the probe whether a plan change with some fields changed is carried out."""

    def make(**changed: Any) -> Probe:
        async def probe(world: "World") -> bool:
            await world.subscribe()
            operation_id = changed.get("id", OPERATION)
            world.market.operations[operation_id] = operation(id=operation_id)
            answer = await world.notify("ChangePlan", **{**COMPLETE, **changed})
            return answer.status_code == 200 and (await world.state())["planId"] == "gold"

        return probe

    return make


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("refuses-unknown-properties", {"extra": {"deep": 1}}),
        ("requires-seats-as-a-number", {"quantity": "1"}),
        ("requires-the-nested-subscription", {"subscription": None}),
        ("requires-descriptions", {"publisherId": ""}),
        ("acts-by-the-status-word", {"status": "Success"}),
        ("fails-on-times-with-an-offset", {"timeStamp": "2026-11-22T14:34:55+00:00"}),
        ("fails-on-a-missing-term", {"subscription": {"term": None}}),
        ("fails-on-long-operation-ids", {"id": "org:{1},{2}"}),
    ],
)
async def test_a_form_that_is_not_taken_is_found_and_the_documented_one_is_taken(
    tell: "Tell",
    make_world: Callable[..., "World"],
    taking: Callable[..., Probe],
    name: str,
    changed: dict[str, Any],
) -> None:
    await tell(name, taking(**changed))
    assert await taking()(make_world(defects=[name]))


async def test_a_failure_over_broken_json_is_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        headers = {"authorization": f"Bearer {world.market.webhook_token()}"}
        return (await world.browser.post("/webhook", content=b"{", headers=headers)).status_code == 400

    await tell("fails-on-broken-json", probe)


@pytest.mark.parametrize("name", ["fails-on-unknown-actions", "reports-unknown-actions"])
async def test_what_is_made_of_an_unknown_action_is_found(tell: "Tell", name: str) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        answer = await world.notify("Transfer")
        return answer.status_code == 200 and not world.market.made("PATCH")

    await tell(name, probe)


async def test_events_that_share_an_activity_are_told_apart(tell: "Tell", operation: Document) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        for number, plan in enumerate(("gold", "platinum")):
            world.market.operations[str(number)] = operation(id=str(number), planId=plan)
            await world.notify("ChangePlan", id=str(number), planId=plan)
        return bool((await world.state())["planId"] == "platinum")

    await tell("tells-events-apart-by-activity", probe)
