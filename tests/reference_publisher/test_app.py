import asyncio
from typing import TYPE_CHECKING

import httpx2
import pytest

from fulfillment_conformance.reference_publisher import ReferencePublisher, Settings
from fulfillment_conformance.reference_publisher.pages import HEADERS
from fulfillment_conformance.serving import Portal, serve

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/signup", "/accounts", "/health", "/style.css", "/nowhere", "/webhook"])
async def test_every_answer_carries_the_security_headers(world: "World", path: str) -> None:
    answer = await world.browser.get(path)

    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


async def test_an_unknown_address_is_answered_by_a_page(world: "World") -> None:
    answer = await world.browser.get("/nowhere")

    assert answer.status_code == 404
    assert "no such page" in answer.text


async def test_a_failure_shows_no_trace_of_itself(world: "World", monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(world.publisher.landing, "no_purchase", fail)
    answer = await world.browser.get("/signup")

    assert answer.status_code == 500
    assert "It is our fault" in answer.text
    assert "canary" not in answer.text


def test_stopping_ends_work_in_the_background_and_closes_connections(settings: Settings) -> None:
    publisher = ReferencePublisher(settings)
    with Portal() as portal, serve(publisher.app, portal=portal):
        portal.call(publisher.chores.start, asyncio.Event().wait)  # type: ignore[arg-type]
    assert publisher.http.is_closed


def test_entropy_is_where_ids_and_sessions_come_from(settings: Settings) -> None:
    publisher = ReferencePublisher(
        settings, entropy=bytes, transport=httpx2.MockTransport(lambda _: httpx2.Response(200))
    )

    assert publisher.api.headers()["x-ms-requestid"] == "00000000-0000-4000-8000-000000000000"
    assert set(publisher.sessions.begin().key) == {"A"}


def test_an_unknown_defect_is_refused_with_the_nearest_name(settings: Settings) -> None:
    with pytest.raises(ValueError, match="no defect 'ignores-the-audiense'; the nearest is 'ignores-the-audience'"):
        ReferencePublisher(settings, defects=["ignores-the-audiense"])
