"""Marketplaces that sell other plans than the emulator, or say the same in another way, are judged as they deserve."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.suites.runs import Judged, judge

from fulfillment_conformance.emulator import messages, service
from fulfillment_conformance.emulator.identity.settings import IdentitySettings
from fulfillment_conformance.emulator.wire import Wire
from fulfillment_conformance.marketplace import Delivery, Offer, Operation, Plan

EMBEDDED = {"role": "marketplace", "marketplace": {"driver": "embedded"}}


def judged(folder: Path, meddle: Callable[[], None], only: Sequence[str]) -> Judged:
    """Judge an emulator that was meddled with by some requirements."""
    return judge(EMBEDDED, folder, *(f"--only={each}" for each in only), meddle=meddle)


def sell(*plans: Plan) -> None:
    """Let the marketplace have one offer, with these plans."""

    def offers(identity: IdentitySettings) -> tuple[Offer, ...]:
        registered: dict[str, Any] = {"tenant_id": identity.tenant_id, "app_id": identity.client_id}
        return (Offer(offer_id="only", publisher_id="contoso", plans=plans, **registered),)

    setattr(service, "default_offers", offers)  # noqa: B010


ONE = (Plan(plan_id="one"),)
FEW_SEATS = tuple(
    Plan(plan_id=plan_id, is_price_per_seat=True, min_quantity=1, max_quantity=most)
    for plan_id, most in (("pair", 2), ("group", 9))
)


def test_a_marketplace_may_sell_per_seat_alone(tmp_path: Path) -> None:
    kept = ["ACT-002", "CHQ-002", "OPG-001", "RES-006"]
    told = judged(tmp_path, partial(sell, *FEW_SEATS), [*kept, "CHQ-018"])

    assert told.with_outcome("passed") == set(kept)
    assert told.with_outcome("untestable") == {"CHQ-018"}  # what is asked of a flat plan needs one


def test_a_marketplace_may_sell_one_plan(tmp_path: Path) -> None:
    told = judged(tmp_path, partial(sell, *ONE), ["CHP-020", "PLN-005", "PLN-006"])

    assert told.outcomes == {"CHP-020": "untestable", "PLN-005": "untestable", "PLN-006": "passed"}
    assert "offer only has no second public plan" in str(told.requirements)


def say_it_otherwise() -> None:
    """Write the zone of events as +00:00, errors as problem details, and add a field to every list of operations."""
    notification, listed, as_before = Wire.notification, Wire.listed_operation, messages.Reply.encode

    def notify(self: Wire, delivery: Delivery) -> dict[str, Any]:
        return zoned(notification(self, delivery))

    def show(self: Wire, operation: Operation) -> dict[str, Any]:
        return zoned(listed(self, operation))

    def zoned(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "timeStamp": document["timeStamp"].replace("Z", "+00:00")}

    def encode(self: messages.Reply) -> tuple[list[tuple[bytes, bytes]], bytes]:
        if self.status >= 400:
            self.document = {"title": "That was refused.", "status": self.status}
            self.headers["content-type"] = "application/problem+json"
        elif isinstance(self.document, dict) and "operations" in self.document:
            self.document["count"] = len(self.document["operations"])
        return as_before(self)

    setattr(Wire, "notification", notify)  # noqa: B010
    setattr(Wire, "listed_operation", show)  # noqa: B010
    setattr(messages.Reply, "encode", encode)  # noqa: B010


def test_the_same_may_be_said_otherwise(tmp_path: Path) -> None:
    kept = ["EVT-008", "HDR-016", "OPG-016", "OPL-002"]
    told = judged(tmp_path, say_it_otherwise, kept)

    assert told.with_outcome("passed") == set(kept), told.why(set(kept))
