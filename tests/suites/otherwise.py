"""What several tests make of the reference publisher before it is judged; done in the process of the run alone."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.suites.runs import Judged, judge

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokens
from fulfillment_conformance.reference_publisher.webhook import Webhook
from fulfillment_conformance.stage import opening
from fulfillment_conformance.stage.embedded import embedded_service
from fulfillment_conformance.stage.publisher import Service
from fulfillment_conformance.target import Step

EMBEDDED = {"role": "publisher", "publisher": {"embedded": True, "timeouts": {"effect": 0.2}}}


def judged(folder: Path, meddle: Callable[[], None], *only: str) -> Judged:
    """Judge a reference publisher that was meddled with by some requirements."""
    return judge(EMBEDDED, folder, *(f"--only={each}" for each in only), meddle=meddle)


def buyers_take(*steps: Step) -> None:
    """Let buyers take other steps after the visit, or none."""

    def otherwise(*arguments: Any) -> Service:
        return replace(embedded_service(*arguments), onboarding=steps)

    setattr(opening, "embedded_service", otherwise)  # noqa: B010


def part_the_webhook() -> list[AccessTokens]:
    """Let the webhook be like a process of its own, with access tokens of its own; return them, once they are made."""
    init = Webhook.__init__
    parted: list[AccessTokens] = []

    def with_tokens_of_its_own(self: Webhook, settings: Any, tokens: Any, api: Any, *rest: Any) -> None:
        own = copy(api)
        own.tokens = AccessTokens(settings, api._alarm)
        parted.append(own.tokens)
        follower = copy(rest[1])
        follower._api = own
        init(self, settings, tokens, own, rest[0], follower, *rest[2:])

    setattr(Webhook, "__init__", with_tokens_of_its_own)  # noqa: B010
    return parted
