from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import MakeWorld, World

Probe = Callable[["World"], Awaitable[bool]]
Tell = Callable[..., Awaitable[None]]


@pytest.fixture
def tell(make_world: "MakeWorld") -> Tell:
    """Return what asserts that a probe finds the publisher right without a defect, and wrong with it."""

    async def check(name: str, probe: Probe, **settings: Any) -> None:
        assert await probe(make_world(**settings)), "the publisher without defect is found at fault"
        assert not await probe(make_world(defects=[name], **settings)), f"{name} is not found"

    return check
