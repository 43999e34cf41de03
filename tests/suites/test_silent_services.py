"""Services that always say the same, or nearly so, pass nothing: no requirement is kept by what never comes.

The preflight turns most of them away. So each also runs without it, and without the patience that a live service
deserves: nothing will come. By default a run judges a requirement of every kind that silence could keep;
`FC_SILENCE=all` judges all of them.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.types import ASGIApp
from tests.suites import services
from tests.suites.runs import Judged, judge, skip_preflight

from fulfillment_conformance.backend import situations, webhook
from fulfillment_conformance.emulator.silent import SILENT_SERVICES
from fulfillment_conformance.reference_publisher.webhook import DONE, Verdict, Webhook
from fulfillment_conformance.serving import serve

ALL = os.environ.get("FC_SILENCE") == "all"

# What silence kept before a pass needed a witness: a status, an absence, nothing said about none, a look from outside.
OF_A_MARKETPLACE = ["ACT-001", "ACT-002", "ACT-024", "AUT-009", "GET-021", "HDR-007", "LND-034", "LST-007", "LST-010"]
OF_A_MARKETPLACE += ["LST-011", "PLN-009", "RES-015", "RES-027"]
OF_A_PUBLISHER = ["AAC-004", "REG-006", "WHK-018", "WHK-035", "LND-001"]

# Where no answer comes, each one is waited for: so only a few are, and not for long.
FEW = {"hang": ["LST-007", "WHK-018"]}
SECONDS = {"hang": 0.5}


def impatient() -> None:
    """Skip the preflight, and wait for nothing."""
    skip_preflight()
    situations.Situations.wait.__kwdefaults__["limit"] = timedelta()  # type: ignore[index] # it has defaults
    situations.SOON = 0.0
    webhook.COMING = timedelta()


def _only(name: str, requirements: list[str]) -> list[str]:
    few = [each for each in FEW.get(name, requirements) if each in requirements]
    return [] if ALL else [f"--only={each}" for each in few]


def _passes_nothing(judged: Judged) -> None:
    passed = judged.with_outcome("passed")

    assert not passed, "\n".join(judged.why(passed, "passed"))
    assert not judged.blamed
    assert judged.exit_code in {1, 7}
    assert judged.exit_code == judged.results["exit_code"] == judged.deserved_exit_code


MARKETPLACES: Mapping[str, ASGIApp] = SILENT_SERVICES | services.NEARLY_SILENT_MARKETPLACES
PUBLISHERS: Mapping[str, ASGIApp] = SILENT_SERVICES | services.NEARLY_SILENT_PUBLISHERS


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(services.SECRET, "local-development-secret")


@pytest.mark.parametrize("name", MARKETPLACES)
def test_an_api_that_says_nothing_passes_nothing(tmp_path: Path, name: str) -> None:
    with services.marketplace_with_api(MARKETPLACES[name]) as serving:
        target = services.marketplace_target(serving.url, timeout=SECONDS.get(name, 5.0))
        judged = judge(target, tmp_path, *_only(name, OF_A_MARKETPLACE), meddle=impatient)

    _passes_nothing(judged)


@pytest.mark.parametrize("name", PUBLISHERS)
def test_a_publisher_that_does_nothing_passes_nothing(tmp_path: Path, name: str) -> None:
    with serve(PUBLISHERS[name]) as serving:
        target = services.publisher_target(serving.url, timeout=SECONDS.get(name, 5.0))
        judged = judge(target, tmp_path, *_only(name, OF_A_PUBLISHER), meddle=impatient)

    _passes_nothing(judged)


def test_an_api_with_one_silent_part_passes_only_what_leaves_it_alone(tmp_path: Path) -> None:
    only = [f"--only={each}" for each in ("LST-007", "LST-010", "RES-001")]
    with services.marketplace_that_lists_nothing() as serving:
        judged = judge(services.marketplace_target(serving.url), tmp_path, *only, meddle=impatient)

    assert judged.with_outcome("passed") == {"RES-001"}


def take_notifications_and_do_nothing() -> None:
    """Let the reference publisher's webhook validate tokens, answer 200, and leave it at that."""

    async def take(self: Webhook, event: object) -> Verdict:
        return DONE

    setattr(Webhook, "take", take)  # noqa: B010


def test_a_publisher_with_a_dead_webhook_passes_only_what_leaves_it_alone(tmp_path: Path) -> None:
    target = {"role": "publisher", "publisher": {"embedded": True}}
    only = [f"--only={each}" for each in ("WHK-018", "WHK-035", "LND-003")]
    judged = judge(target, tmp_path, *only, meddle=take_notifications_and_do_nothing)

    assert judged.with_outcome("passed") == {"LND-003"}
    assert not judged.blamed


@pytest.mark.parametrize("name", SILENT_SERVICES)
def test_the_preflight_turns_a_silent_api_away(tmp_path: Path, name: str) -> None:
    with services.marketplace_with_api(SILENT_SERVICES[name]) as serving:
        target = services.marketplace_target(serving.url, timeout=SECONDS.get(name, 5.0))
        judged = judge(target, tmp_path, "--only=LST-007")

    assert judged.exit_code == 6
    assert not judged.with_outcome("passed", "failed")
