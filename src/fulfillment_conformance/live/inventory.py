"""What the account has on the live service, and a section `live` of a target file that would list it.

Only the list is asked for, and the plans of subscriptions that are listed already: whatever is not listed is never
addressed. Everything is proposed with `read` alone; what else may be done is for the user to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from fulfillment_conformance.answers import Reading
from fulfillment_conformance.backend.client import ListAnswer
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.live.opening import LiveService
from fulfillment_conformance.live.section import is_preview

MOST_PAGES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A subscription as the list shows it; text, empty where it shows nothing."""

    id: str
    name: str
    offer: str
    plan: str
    quantity: str
    status: str
    term_end: str
    is_listed: bool

    @property
    def is_preview(self) -> bool:
        """Whether it is of a preview offer."""
        return is_preview(self.offer)


def owned(service: LiveService) -> list[Owned]:
    """Return what the account has, in the order of the list.

    Raises:
        EnvironmentUnavailable: the list cannot be read.
        MissingCapability: the budget or the kill switch forbids it.
    """
    listed = {each.id for each in service.section.subscriptions}
    return [_owned(entry, listed) for page in _pages(service) for entry in page.entries]


def plans(service: LiveService) -> list[dict[str, Any]]:
    """Return the offers of listed subscriptions with their plans, in the shape of the target file's `offers`."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for listed in service.section.subscriptions:
        if "read" not in listed.may or listed.status == "Unsubscribed":
            continue
        answer = service.client.list_available_plans(listed.id)
        for plan in answer["plans"]:
            document = plan_document(plan)
            if document:
                found.setdefault(listed.offer, {})[document["planId"]] = document
    return [{"offerId": offer, "plans": list(known.values())} for offer, known in found.items()]


def proposal(subscriptions: Sequence[Owned], offers: Sequence[dict[str, Any]]) -> str:
    """Return YAML to be put below `marketplace`; preview offers as they are, production ones as comments."""
    entries = [_entry(each) for each in subscriptions if each.is_preview and each.status != "Unsubscribed"]
    lines = ["live:", "  subscriptions:" if entries else "  subscriptions: []"]
    lines += [f"    - {_flow(entry)}" for entry in entries]
    others = [each for each in subscriptions if not each.is_preview and each.status != "Unsubscribed"]
    if others:
        lines.append("    # Of production offers, which are refused unless production_offers names them, too:")
        lines += [f"    # - {_flow(_entry(each))}" for each in others]
    if offers:
        lines.append("offers:")
        lines += [f"  - {_flow(offer)}" for offer in offers]
    return "\n".join(lines)


def _pages(service: LiveService) -> Iterator[ListAnswer]:
    page = service.client.list_subscriptions()
    for _ in range(MOST_PAGES):
        if not page.is_success:
            raise EnvironmentUnavailable(
                f"{service.base_url}/saas/subscriptions answered {page.status_code or page.error} to the list of "
                "subscriptions; `check` says why"
            )
        yield page
        if page.next_link is None:
            return
        page = service.client.follow(page.next_link, "next page")


def _owned(entry: Reading, listed: set[str]) -> Owned:
    identity = _text(entry["id"])
    return Owned(
        id=identity,
        name=_text(entry["name"]),
        offer=_text(entry["offerId"]),
        plan=_text(entry["planId"]),
        quantity=_text(entry["quantity"]),
        status=_text(entry["saasSubscriptionStatus"]),
        term_end=_text(entry["term"]["endDate"])[:10],
        is_listed=identity.lower() in listed,
    )


def _entry(each: Owned) -> dict[str, Any]:
    seats = {"quantity": int(each.quantity)} if each.quantity.isdecimal() and int(each.quantity) else {}
    return {
        "id": each.id,
        "offer": each.offer,
        "plan": each.plan,
        **seats,
        "status": each.status,
        "may": ["read"],
    }


def plan_document(plan: Reading) -> dict[str, Any] | None:
    """Return a plan of List available plans in the shape of the target file's `offers`; None when it has no id."""
    plan_id = _text(plan["planId"])
    if not plan_id:
        return None
    document: dict[str, Any] = {"planId": plan_id}
    for name in ("isPrivate", "isPricePerSeat", "hasFreeTrials", "isStopSell"):
        if plan[name].value is True:
            document[name] = True
    if document.get("isPricePerSeat"):
        for name in ("minQuantity", "maxQuantity"):
            value = plan[name].value
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                document[name] = value
    terms = [_text(term["termUnit"]) for term in plan["planComponents"]["recurrentBillingTerms"]]
    if units := [unit for unit in dict.fromkeys(terms) if unit]:
        document["termUnits"] = units
    return document


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.strip()


def _text(reading: Reading) -> str:
    value = reading.value
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
