"""What a publisher puts up for sale: offers, plans, billing terms, metering dimensions.

Sources: plan-saas-offer (pricing, terms, private plans), pc-saas-fulfillment-subscription-api § List available plans.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

_PLAN_ID = re.compile(r"[a-z0-9_-]{1,50}")
_TERM_UNIT = re.compile(r"P[1-9]\d*[MY]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredQuantity:
    """Units of a metering dimension that a billing term includes; `units` is text, as on the wire."""

    dimension_id: str
    units: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringDimension:
    """Something that is billed by use beyond what the billing term includes."""

    id: str
    unit_of_measure: str
    display_name: str
    price_per_unit: Decimal = Decimal(1)
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingTerm:
    """One way to subscribe to a plan: how long, and for how much (per seat, where the plan is priced per seat).

    `term_unit` is an ISO 8601 duration in months or years (`P1M`, `P1Y`, `P2Y`..`P5Y`; private offers may use others).
    `charge_duration` is the payment interval inside a longer term, None for one payment up front.
    """

    term_unit: str
    price: Decimal = Decimal(10)
    currency: str = "USD"
    term_description: str = ""
    charge_duration: str | None = None
    metered_quantity_included: tuple[MeteredQuantity, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("term unit", self.term_unit), ("charge duration", self.charge_duration)):
            if value is not None and _TERM_UNIT.fullmatch(value) is None:
                raise ValueError(f"{name} {value!r} is not a duration in months or years; write it like P1M or P1Y")


MONTHLY = BillingTerm(term_unit="P1M", price=Decimal(10), term_description="Monthly plan")
YEARLY = BillingTerm(term_unit="P1Y", price=Decimal(100), term_description="Yearly plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan of an offer.

    `audience` holds the tenant ids that may see a private plan. `min_quantity` and `max_quantity` bound the seats of a
    per-seat plan (None: no upper bound). `source_offers` holds the ids of the private offers a purchase was made
    through; it is filled only in answers about the purchased plan. `market` is a country code.
    """

    plan_id: str
    display_name: str = ""
    description: str = ""
    is_private: bool = False
    audience: frozenset[str] = frozenset()
    is_price_per_seat: bool = False
    min_quantity: int = 1
    max_quantity: int | None = None
    has_free_trials: bool = False
    is_stop_sell: bool = False
    market: str = "US"
    auto_activate: bool = False
    terms: tuple[BillingTerm, ...] = (MONTHLY, YEARLY)
    metering_dimensions: tuple[MeteringDimension, ...] = ()
    source_offers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if _PLAN_ID.fullmatch(self.plan_id) is None:
            raise ValueError(
                f"plan id {self.plan_id!r} is not allowed; use 1 to 50 lower-case letters, digits, dashes, underscores"
            )
        units = [term.term_unit for term in self.terms]
        if not units or len(set(units)) != len(units):
            raise ValueError(f"plan {self.plan_id!r} needs at least one billing term, each unit once; it has {units}")
        if self.min_quantity < 1 or (self.max_quantity is not None and self.max_quantity < self.min_quantity):
            raise ValueError(
                f"plan {self.plan_id!r} has seat limits {self.min_quantity}..{self.max_quantity}; "
                "the lower one must be at least 1 and not above the upper one"
            )
        if self.has_free_trials and self.metering_dimensions:
            raise ValueError(f"plan {self.plan_id!r} is metered and has free trials; a plan can have only one of them")
        if not self.display_name:
            object.__setattr__(self, "display_name", self.plan_id.replace("-", " ").replace("_", " ").title())

    def term(self, unit: str | None = None) -> BillingTerm | None:
        """Return the billing term with this unit, the plan's first one for None, or None when there is no such term."""
        if unit is None:
            return self.terms[0]
        return next((term for term in self.terms if term.term_unit == unit), None)

    def visible_to(self, tenant_id: str) -> bool:
        """Say whether a tenant may see the plan: everybody a public one, only the audience a private one."""
        return not self.is_private or tenant_id in self.audience

    def allows(self, quantity: int) -> bool:
        """Say whether a number of seats lies within the plan's limits."""
        return quantity >= self.min_quantity and (self.max_quantity is None or quantity <= self.max_quantity)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A publisher's offer with its technical configuration: the tenant and application that may call the API for it."""

    offer_id: str
    publisher_id: str
    tenant_id: str
    app_id: str
    plans: tuple[Plan, ...]
    display_name: str = field(default="")

    def __post_init__(self) -> None:
        if not self.plans or len(self._by_id) != len(self.plans):
            names = [plan.plan_id for plan in self.plans]
            raise ValueError(f"offer {self.offer_id!r} needs at least one plan, each plan id once; it has {names}")
        if len({plan.is_price_per_seat for plan in self.plans}) > 1:
            raise ValueError(f"offer {self.offer_id!r} mixes flat and per-seat plans; an offer has one pricing model")
        if not self.display_name:
            object.__setattr__(self, "display_name", self.offer_id.replace("-", " ").replace("_", " ").title())

    @cached_property
    def _by_id(self) -> Mapping[str, Plan]:
        return {plan.plan_id: plan for plan in self.plans}

    def plan(self, plan_id: str) -> Plan | None:
        """Return the plan with this id, or None."""
        return self._by_id.get(plan_id)
