"""Faults of notifications: when they come, what they say, how they are signed (catalogue themes EVT, WHK)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.delivery import Notification
from fulfillment_conformance.emulator.deviations.registry import Json, decision, deviation, payloads
from fulfillment_conformance.marketplace import Action, Delivery, Source, SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("notifications-are-put", breaks=["WHK-001"])
def are_put(emulator: "Emulator") -> None:
    """The webhook is called by PUT."""

    @decision(emulator.courier, "_attempt")
    async def put(attempt: Any, delivery: Any, notification: Any, url: str, method: str, *rest: Any) -> Any:
        return await attempt(delivery, notification, url, "PUT" if method == "POST" else method, *rest)


@deviation("failed-notifications-are-not-repeated", breaks=["WHK-006"])
def failed_notifications_are_not_repeated(emulator: "Emulator") -> None:
    """A notification that the webhook does not accept is sent once only."""
    emulator.market.rules = replace(emulator.market.rules, delivery_attempts=1)


@deviation("refused-notifications-are-accepted-in-the-end", breaks=["WHK-007"])
def refused_notifications_are_accepted_in_the_end(emulator: "Emulator") -> None:
    """A change whose notification was never accepted is carried out."""

    @decision(emulator.market, "fail")
    def accepted(fail: Any, operation: Any, reason: str) -> None:
        if reason.startswith("The webhook did not accept"):
            emulator.market.accept(operation)
        else:
            fail(operation, reason)


@deviation("notifications-are-not-signed", breaks=["WHK-013"])
def are_not_signed(emulator: "Emulator") -> None:
    """Notifications have no Authorization header, as in 2019."""

    def unsigned(delivery: Delivery, compose: Any) -> Notification:
        notification: Notification = compose(delivery)
        notification.headers.pop("authorization")
        return notification

    emulator.wrap_notification(unsigned)


@deviation("silence-rejects-a-change", breaks=["WHK-025"])
def silence_rejects_a_change(emulator: "Emulator") -> None:
    """A change that is answered 200 and not acknowledged fails."""
    emulator.market.rules = replace(emulator.market.rules, silence_accepts=False)


@deviation("a-4xx-rejects-nothing", breaks=["WHK-027"])
def a_4xx_rejects_nothing(emulator: "Emulator") -> None:
    """A change whose notification is answered 4xx is announced again and again."""

    @decision(emulator.market, "is_rejection")
    def never(*_: Any) -> bool:
        return False


@deviation("a-4xx-undoes-suspension", breaks=["WHK-030"])
def a_4xx_undoes_suspension(emulator: "Emulator") -> None:
    """A subscription whose Suspend is answered 4xx is Subscribed again."""

    @decision(emulator.market, "delivery_answered")
    def undone(answered: Any, delivery: Any, status: int | None) -> None:
        answered(delivery, status)
        if delivery.action is Action.SUSPEND and status is not None and 400 <= status < 500:
            emulator.market.resume(emulator.market.find(delivery.operation.subscription_id))


@deviation(
    "notifications-have-ids-of-their-own",
    breaks=["EVT-001", "WHK-027", "WHK-028", "WHK-038", "OPG-002", "CHP-006", "CHQ-005", "LCY-017"],
)
def have_ids_of_their_own(emulator: "Emulator") -> None:
    """The id of a notification is not that of its operation."""

    @payloads(emulator)
    def own_id(payload: Json, _: Delivery) -> None:
        payload["id"] = payload["activityId"]


def _without(emulator: "Emulator", name: str) -> None:
    @payloads(emulator)
    def lacking(payload: Json, _: Delivery) -> None:
        payload.pop(name, None)


@deviation("notifications-have-no-activity", breaks=["EVT-002"])
def have_no_activity(emulator: "Emulator") -> None:
    """The activityId of notifications is missing."""
    _without(emulator, "activityId")


@deviation("notifications-do-not-name-the-publisher", breaks=["EVT-003"])
def do_not_name_the_publisher(emulator: "Emulator") -> None:
    """The publisherId of notifications is missing."""
    _without(emulator, "publisherId")


@deviation("notifications-do-not-name-the-offer", breaks=["EVT-004"])
def do_not_name_the_offer(emulator: "Emulator") -> None:
    """The offerId of notifications is missing."""
    _without(emulator, "offerId")


@deviation("notifications-name-the-old-plan", breaks=["EVT-005", "EVT-017"])
def name_the_old_plan(emulator: "Emulator") -> None:
    """The planId of ChangePlan is the present plan."""
    _tells_the_old(emulator, "planId")


@deviation("notifications-count-the-old-seats", breaks=["EVT-006", "EVT-019", "CHQ-005"])
def count_the_old_seats(emulator: "Emulator") -> None:
    """The quantity of ChangeQuantity is the present number of seats."""
    _tells_the_old(emulator, "quantity")


def _tells_the_old(emulator: "Emulator", name: str) -> None:
    @payloads(emulator)
    def old(payload: Json, delivery: Delivery) -> None:
        if delivery.action.is_change and name in payload["subscription"]:
            payload[name] = payload["subscription"][name]


@deviation("notifications-do-not-name-the-subscription", breaks=["EVT-007"])
def do_not_name_the_subscription(emulator: "Emulator") -> None:
    """The subscriptionId of notifications is missing."""
    _without(emulator, "subscriptionId")


@deviation("notifications-count-seconds", breaks=["EVT-008"])
def count_seconds(emulator: "Emulator") -> None:
    """The timeStamp of notifications is a number."""

    @payloads(emulator)
    def seconds(payload: Json, delivery: Delivery) -> None:
        payload["timeStamp"] = int(delivery.operation.created.timestamp())


@deviation("actions-of-notifications-are-past", breaks=["EVT-009", "EVT-024", "LCY-023", "WHK-002"])
def actions_are_past(emulator: "Emulator") -> None:
    """The action of Suspend is Suspended, the word of the pages' prose."""

    @payloads(emulator)
    def past(payload: Json, delivery: Delivery) -> None:
        if delivery.action is Action.SUSPEND:
            payload["action"] = "Suspended"


@deviation("notifications-are-always-in-progress", breaks=["EVT-010", "EVT-021", "EVT-024", "EVT-032"])
def are_always_in_progress(emulator: "Emulator") -> None:
    """The status of every notification is InProgress."""

    @payloads(emulator)
    def in_progress(payload: Json, _: Delivery) -> None:
        payload["status"] = "InProgress"


@deviation(
    "notifications-nest-no-subscription",
    breaks=[
        *("EVT-012", "EVT-016", "EVT-017", "EVT-019", "EVT-021", "EVT-022", "EVT-025", "EVT-029", "EVT-032"),
        "EVT-036",
    ],
)
def nest_no_subscription(emulator: "Emulator") -> None:
    """The subscription object is missing, as before 2022."""
    _without(emulator, "subscription")


@deviation("notifications-nest-what-will-be", breaks=["EVT-016", "EVT-017", "EVT-019"])
def nest_what_will_be(emulator: "Emulator") -> None:
    """The nested subscription of a change has the new values already."""

    @payloads(emulator)
    def new_values(payload: Json, delivery: Delivery) -> None:
        if delivery.action.is_change:
            payload["subscription"] |= {name: payload[name] for name in ("planId", "quantity") if name in payload}


@deviation("suspensions-nest-a-cancelled-subscription", breaks=["EVT-025"])
def suspensions_nest_a_cancelled_subscription(emulator: "Emulator") -> None:
    """The nested subscription of Suspend is Unsubscribed."""

    @payloads(emulator)
    def cancelled(payload: Json, delivery: Delivery) -> None:
        if delivery.action is Action.SUSPEND:
            payload["subscription"]["saasSubscriptionStatus"] = "Unsubscribed"


def _never_told(emulator: "Emulator", action: Action) -> None:
    @decision(emulator.market, "announce")
    def others_only(announce: Any, operation: Any, subscription: Any) -> None:
        if operation.action is not action:
            announce(operation, subscription)


@deviation("renewals-are-not-announced", breaks=["EVT-021", "WHK-002", "LCY-020"])
def renewals_are_not_announced(emulator: "Emulator") -> None:
    """No notification is sent when a term is renewed, as in 2020."""
    _never_told(emulator, Action.RENEW)


@deviation(
    "cancellations-are-not-announced",
    breaks=[
        *("EVT-032", "WHK-001", "WHK-002", "WHK-040", "DEL-004", "LCY-011", "LCY-012", "LCY-022"),
        "CSP-002",
    ],
)
def cancellations_are_not_announced(emulator: "Emulator") -> None:
    """No notification is sent when a subscription is cancelled."""
    _never_told(emulator, Action.UNSUBSCRIBE)


@deviation("automatic-activation-is-not-announced", breaks=["EVT-036", "WHK-002"])
def automatic_activation_is_not_announced(emulator: "Emulator") -> None:
    """No notification is sent when a plan with automatic activation is bought."""
    _never_told(emulator, Action.SUBSCRIBE)


@deviation("purchases-are-announced", breaks=["EVT-038"])
def purchases_are_announced(emulator: "Emulator") -> None:
    """Subscribe is sent for a purchase that waits for activation, too."""

    @decision(emulator.market, "purchase")
    def announced(purchase: Any, wanted: Any) -> Any:
        subscription, token = purchase(wanted)
        if subscription.status is SubscriptionStatus.PENDING_FULFILLMENT_START:
            emulator.market._notify(emulator.market.find(subscription.id), Action.SUBSCRIBE)
        return subscription, token


@deviation("cancellations-count-no-seats", breaks=["EVT-006"])
def cancellations_count_no_seats(emulator: "Emulator") -> None:
    """The quantity of Unsubscribe is null on a per-seat plan, too."""

    @payloads(emulator)
    def no_seats(payload: Json, delivery: Delivery) -> None:
        if delivery.action is Action.UNSUBSCRIBE:
            payload["quantity"] = None


@deviation("own-cancellations-have-ids-of-their-own", breaks=["EVT-001"])
def own_cancellations_have_ids_of_their_own(emulator: "Emulator") -> None:
    """The id of Unsubscribe is not that of the operation that a DELETE has begun."""

    @payloads(emulator)
    def own_id(payload: Json, delivery: Delivery) -> None:
        if delivery.action is Action.UNSUBSCRIBE and delivery.operation.source is Source.PARTNER:
            payload["id"] = payload["activityId"]


@deviation("nested-subscriptions-are-somebody-elses", breaks=["EVT-012"])
def nested_subscriptions_are_somebody_elses(emulator: "Emulator") -> None:
    """The beneficiary of the nested subscription is of another tenant than the one that Get shows."""

    @payloads(emulator)
    def of_another(payload: Json, _: Delivery) -> None:
        payload["subscription"]["beneficiary"]["tenantId"] = payload["activityId"]


@deviation("nested-subscriptions-are-as-they-were-bought", breaks=["EVT-012", "EVT-016"])
def nested_subscriptions_are_as_they_were_bought(emulator: "Emulator") -> None:
    """The nested subscription has the purchased plan for ever."""

    @payloads(emulator)
    def as_bought(payload: Json, _: Delivery) -> None:
        bought = emulator.market.find(payload["subscriptionId"]).subscription.purchased_plan_id
        payload["subscription"]["planId"] = bought


@deviation("events-name-the-purchased-plan", breaks=["EVT-005"])
def name_the_purchased_plan(emulator: "Emulator") -> None:
    """The planId of events other than changes is the purchased plan for ever."""

    @payloads(emulator)
    def as_bought(payload: Json, delivery: Delivery) -> None:
        if not delivery.action.is_change:
            payload["planId"] = emulator.market.find(payload["subscriptionId"]).subscription.purchased_plan_id


@deviation("the-calendar-announces-what-is-in-progress", breaks=["EVT-021", "EVT-032"])
def calendar_announces_what_is_in_progress(emulator: "Emulator") -> None:
    """What happens because time has passed is announced with the status InProgress."""
    due: set[str] = set()

    @decision(emulator.market, "ring")
    def noticed(ring: Any, timer: Any) -> None:
        due.add(timer.subject)
        ring(timer)

    @payloads(emulator)
    def in_progress(payload: Json, delivery: Delivery) -> None:
        if payload["subscriptionId"] in due and delivery.action.is_notify_only:
            payload["status"] = "InProgress"
