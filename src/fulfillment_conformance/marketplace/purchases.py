"""From the order to the start of service: purchases, purchase tokens, activation.

Sources: pc-saas-fulfillment-life-cycle § Purchased but not yet activated; plan-saas-offer; auto activation of plans.
"""

from collections.abc import Iterable
from datetime import timedelta

from fulfillment_conformance.marketplace.calls import UNSET, Caller, Unset
from fulfillment_conformance.marketplace.changes import Changes
from fulfillment_conformance.marketplace.foundation import Record
from fulfillment_conformance.marketplace.offers import BillingTerm, Offer, Plan
from fulfillment_conformance.marketplace.operations import Action, Operation
from fulfillment_conformance.marketplace.refusals import Refused
from fulfillment_conformance.marketplace.subscriptions import (
    Channel,
    CustomerOperation,
    Purchase,
    Subscription,
    SubscriptionStatus,
)
from fulfillment_conformance.marketplace.terms import Term
from fulfillment_conformance.marketplace.timers import TimerKind


class Purchases(Changes):
    """Sells plans, hands out purchase tokens, and starts the service."""

    # --- what customers do ---

    def purchase(self, purchase: Purchase) -> tuple[Subscription, str]:
        """Buy a plan; returns the new subscription and the purchase token for the landing page.

        A plan with automatic activation is Subscribed at once and announced by Subscribe. Any other one waits for
        activation, and is voided when that does not come. Refused with 400 when the plan cannot be bought so.
        """
        offer = self._offers.get(purchase.offer_id)
        if offer is None:
            raise _cannot_be_bought(f"There is no offer {purchase.offer_id!r}; on sale are {_listed(self._offers)}.")
        plan = offer.plan(purchase.plan_id)
        if plan is None:
            plans = _listed(plan.plan_id for plan in offer.plans)
            raise _cannot_be_bought(f"Offer {offer.offer_id!r} has no plan {purchase.plan_id!r}; it has {plans}.")
        self.require_for_sale(plan, purchase)
        term = self._term_wanted(plan, purchase)
        quantity = self._seats_wanted(plan, purchase)

        record = Record(self._new_subscription(offer, plan, term, quantity, purchase))
        subscription_id = record.subscription.id
        self._records[subscription_id] = record
        self._records_of.setdefault(offer.publisher_id, []).append(record)
        token = self.issue_token(subscription_id)
        if plan.auto_activate:
            self.start_service(record)
            self._notify(record, Action.SUBSCRIBE)
        else:
            due = self._now + self.rules.unconfigured
            record.deadline = self._timers.set(due, TimerKind.UNCONFIGURED, subscription_id)
        return record.subscription, token

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> str:
        """Return a new purchase token, as *Manage account* does; earlier ones stay valid. 404 for an unknown id."""
        subscription = self.find(subscription_id).subscription
        lifetime = timedelta(seconds=-1) if expired else self.rules.token_lifetime
        return self._tokens.issue(subscription.id, self._now + lifetime)

    def fail_activation(self, subscription_id: str) -> Operation:
        """Let an activation that was accepted fail afterwards: the subscription is cancelled and Unsubscribe sent.

        Refused with 409 unless activation was accepted and the subscription is neither suspended nor cancelled.
        """
        record = self.find(subscription_id)
        allowed = (SubscriptionStatus.PENDING_FULFILLMENT_START, SubscriptionStatus.SUBSCRIBED)
        self.require_status(record, *allowed, purpose="a failing activation", otherwise=409)
        if not record.activation_accepted:
            raise Refused(
                409,
                "NotActivated",
                f"Subscription {subscription_id!r} was not activated; let the publisher do it first.",
            )
        return self._unsubscribe(record)

    # --- what the publisher calls ---

    def resolve(self, caller: Caller, token: str | None) -> Subscription:
        """Return the subscription that a purchase token stands for, in whatever state it is.

        Refused with 400 for a missing, unknown, altered or expired token, with 403 for another's.
        """
        if not token:
            raise Refused(
                400, "HeaderNotPresent", "The header x-ms-marketplace-token is missing; send the token in it."
            )
        content = self._tokens.read(token)
        record = None if content is None else self._records.get(content[0])
        if content is None or record is None:
            raise Refused(
                400, "InvalidValue", "The purchase token is not one of ours; send it percent-decoded once, unchanged."
            )
        self.find_owned(caller, record.subscription.id)
        if self._now >= content[1]:
            raise Refused(
                400, "TokenExpired", f"The purchase token expired at {content[1].isoformat()}; have it opened again."
            )
        return record.subscription

    def activate(
        self,
        caller: Caller,
        subscription_id: str,
        *,
        plan_id: str | Unset | None = UNSET,
        quantity: int | Unset | None = UNSET,
    ) -> Subscription:
        """Start service and billing; returns the subscription as it stands after the call.

        Repeating it is no matter. Refused with 400 when suspended, or when a plan or number of seats is named that is
        not the purchased one; with 404 when cancelled or unknown.
        """
        record = self.find_owned(caller, subscription_id)
        self.require_activatable(record)
        if self.rules.activation_checked:
            self.require_purchased_values(record.subscription, plan_id, quantity)
        if record.status is SubscriptionStatus.PENDING_FULFILLMENT_START and not record.activation_accepted:
            record.activation_accepted = True
            self._timers.cancel(record.deadline)
            if self.rules.activation_delay:
                due = self._now + self.rules.activation_delay
                record.deadline = self._timers.set(due, TimerKind.ACTIVATION, subscription_id)
            else:
                self.start_service(record)
        return record.subscription

    # --- decisions ---

    def require_for_sale(self, plan: Plan, purchase: Purchase) -> None:
        """Refuse with 400 a plan that is not sold at all, not to this customer, or not in this way."""
        if plan.is_stop_sell:
            raise _cannot_be_bought(f"Plan {plan.plan_id!r} is no longer sold; buy another one.")
        if plan.is_private and purchase.channel is Channel.CSP:
            raise _cannot_be_bought(f"Plan {plan.plan_id!r} is private; resellers can buy public plans only.")
        if not plan.visible_to(purchase.beneficiary.tenant_id):
            raise _cannot_be_bought(
                f"Plan {plan.plan_id!r} is private; tenant {purchase.beneficiary.tenant_id!r} is not in its audience."
            )
        if purchase.free_trial and not plan.has_free_trials:
            raise _cannot_be_bought(f"Plan {plan.plan_id!r} has no free trial; buy it without one.")

    def require_activatable(self, record: Record) -> None:
        """Refuse activation of a suspended subscription with 400, and of a cancelled one with 404."""
        match record.status:
            case SubscriptionStatus.SUSPENDED:
                raise Refused(
                    400,
                    "StatusForbids",
                    f"Subscription {record.subscription.id!r} is Suspended; it is paid, not activated.",
                )
            case SubscriptionStatus.UNSUBSCRIBED:
                raise Refused(
                    404,
                    "SubscriptionNotFound",
                    f"Subscription {record.subscription.id!r} is Unsubscribed, which is final.",
                )
            case _:
                pass

    def require_purchased_values(
        self, subscription: Subscription, plan_id: str | Unset | None, quantity: int | Unset | None
    ) -> None:
        """Refuse with 400 an activation for anything but what was bought; naming nothing is right, too."""
        if plan_id is UNSET and quantity is UNSET:
            return
        if plan_id != subscription.plan_id:
            named = "no plan" if plan_id is UNSET else f"plan {plan_id!r}"
            raise Refused(
                400,
                "PlanMismatch",
                f"The body names {named}; subscription {subscription.id!r} has {subscription.plan_id!r}.",
            )
        if quantity is not UNSET and quantity != subscription.quantity:
            raise Refused(
                400,
                "QuantityMismatch",
                f"The body names {quantity!r} seats; subscription {subscription.id!r} has {subscription.quantity!r}.",
            )

    def allowed_customer_operations(self, channel: Channel) -> tuple[CustomerOperation, ...]:
        """Return what the beneficiary may do: only read what a reseller bought for him, everything otherwise."""
        return ("Read",) if channel is Channel.CSP else ("Read", "Update", "Delete")

    # --- inside ---

    def _term_wanted(self, plan: Plan, purchase: Purchase) -> BillingTerm:
        term = plan.term(purchase.term_unit)
        if term is None:
            units = _listed(term.term_unit for term in plan.terms)
            raise _cannot_be_bought(
                f"Plan {plan.plan_id!r} is not sold with a term of {purchase.term_unit!r}; it has {units}."
            )
        return term

    def _seats_wanted(self, plan: Plan, purchase: Purchase) -> int | None:
        if purchase.quantity is not None:
            self.require_seats(plan, purchase.quantity)
            return purchase.quantity
        return plan.min_quantity if plan.is_price_per_seat else None

    def _new_subscription(
        self, offer: Offer, plan: Plan, term: BillingTerm, quantity: int | None, purchase: Purchase
    ) -> Subscription:
        return Subscription(
            id=self._ids.guid() if purchase.subscription_id is None else purchase.subscription_id,
            name=offer.display_name if purchase.name is None else purchase.name,
            publisher_id=offer.publisher_id,
            offer_id=offer.offer_id,
            plan_id=plan.plan_id,
            quantity=quantity,
            status=SubscriptionStatus.PENDING_FULFILLMENT_START,
            beneficiary=purchase.beneficiary,
            purchaser=purchase.beneficiary if purchase.purchaser is None else purchase.purchaser,
            term=Term(unit=term.term_unit, charge_duration=term.charge_duration),
            auto_renew=purchase.auto_renew,
            is_free_trial=purchase.free_trial,
            is_test=purchase.is_test,
            channel=purchase.channel,
            allowed_customer_operations=self.allowed_customer_operations(purchase.channel),
            session_mode="None",
            sandbox_type="Csp" if purchase.sandbox else "None",
            created=self._now,
            purchased_plan_id=plan.plan_id,
            private_offer_id=purchase.private_offer_id,
        )


def _cannot_be_bought(message: str) -> Refused:
    return Refused(400, "CannotBeBought", message)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
