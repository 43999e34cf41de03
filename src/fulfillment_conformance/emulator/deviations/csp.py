"""Faults of purchases through a reseller (catalogue theme CSP)."""

from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import decision, deviation
from fulfillment_conformance.marketplace import Action, Channel

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("what-partners-do-is-not-announced", breaks=["CSP-002", "LCY-016", "WHK-002"])
def what_partners_do_is_not_announced(emulator: "Emulator") -> None:
    """No notification is sent about a subscription that a reseller bought."""

    @decision(emulator.market, "announce")
    def direct_only(announce: Any, operation: Any, subscription: Any) -> None:
        if subscription.channel is not Channel.CSP:
            announce(operation, subscription)


@deviation("payments-of-resold-subscriptions-are-not-announced", breaks=["WHK-002"])
def payments_of_resold_subscriptions_are_not_announced(emulator: "Emulator") -> None:
    """No notification is sent of the renewal, suspension and reinstatement of what a reseller bought."""

    @decision(emulator.market, "announce")
    def but_payments(announce: Any, operation: Any, subscription: Any) -> None:
        payment = operation.action in {Action.RENEW, Action.SUSPEND, Action.REINSTATE}
        if not payment or subscription.channel is not Channel.CSP:
            announce(operation, subscription)
