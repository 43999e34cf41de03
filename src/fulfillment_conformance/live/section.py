"""The section `live` of a target file: what exists on the live service, and what may be done to it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from fulfillment_conformance.fieldtypes import Guid, Secret, Text
from fulfillment_conformance.filemodel import FileModel, complaints

Permission = Literal["read", "activate", "change-plan", "change-quantity", "cancel"]
"""What may be done to a subscription. `activate` and `cancel` cannot be undone, and `activate` begins billing."""

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
TOKEN_LIFE = timedelta(hours=24)
"""How long a purchase token is good (pc-saas-fulfillment-subscription-api, resolve)."""


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a time such as 2026-11-22T08:30:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-11-22T08:30:00Z")
    return text


Moment = Annotated[str, AfterValidator(_moment)]
"""A date and time with its zone."""


class ListedSubscription(FileModel):
    """A subscription that exists, as `inventory` showed it, and what may be done to it."""

    id: Guid = Field(description="the subscription's id")
    offer: Text = Field(description="the id of its offer, as Get Subscription shows it")
    plan: Text = Field(description="the id of the plan that it has")
    may: Annotated[tuple[Permission, ...], Field(strict=False)] = ("read",)
    quantity: Annotated[int, Field(ge=1)] | None = None
    status: Literal["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"] = "Subscribed"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = [("may", f"'{word}' is given twice; remove one")] if (word := _first_twice(self.may)) else []
        if self.may and "read" not in self.may:
            found.append(("may", "whoever changes a subscription has to look at it; add read"))
        if found:
            raise complaints(found)
        return self


class PurchaseToken(FileModel):
    """What the landing page was opened with: a token, the time, and the subscription that it stands for."""

    token: Secret = Field(description="the purchase token, percent-decoded, as ${NAME}")
    obtained: Moment = Field(description="when the landing page was opened, such as 2026-11-22T08:30:00Z")
    subscription: Guid = Field(description="the id of the subscription that it stands for")

    @property
    def expires(self) -> datetime:
        """When the marketplace stops taking it, aware UTC."""
        return datetime.fromisoformat(self.obtained).astimezone(UTC) + TOKEN_LIFE


class LiveSection(FileModel):
    """What the suite may do on the live service. Whatever is not listed here is never addressed."""

    subscriptions: Annotated[tuple[ListedSubscription, ...], Field(strict=False)] = ()
    purchase_tokens: Annotated[tuple[PurchaseToken, ...], Field(strict=False)] = ()
    production_offers: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    requests_per_day: Annotated[int, Field(gt=0)] = 3000
    requests_per_minute: Annotated[float, Field(gt=0)] = 60.0
    kill_switch: Text = "STOP"
    ledger: Text = ".fulfillment-conformance/live.sqlite"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found: list[tuple[str, str]] = []
        if twice := _first_twice(each.id for each in self.subscriptions):
            found.append(("subscriptions", f"id '{twice}' is given twice; remove one of them"))
        listed = {each.id for each in self.subscriptions}
        for token in self.purchase_tokens:
            if token.subscription not in listed:
                said = f"one is of subscription '{token.subscription}', which is not among subscriptions; list it there"
                found.append(("purchase_tokens", said))
        for offer in dict.fromkeys(each.offer for each in self.subscriptions):
            if not is_preview(offer) and offer not in self.production_offers:
                said = (
                    f"offer '{offer}' does not end in -preview, so real customers may buy it; use subscriptions of the "
                    "preview offer, or name this one a second time in production_offers"
                )
                found.append(("subscriptions", said))
        if found:
            raise complaints(found)
        return self


def is_preview(offer_id: str) -> bool:
    """Whether an offer is only for its preview audience: the live service shows its id with this ending."""
    return offer_id.lower().endswith("-preview")


def _first_twice(words: Iterable[str]) -> str:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            return word
        seen.add(word)
    return ""
