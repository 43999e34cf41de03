"""Tests of reaching a marketplace target: what is looked at first, and what tests get to work with."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fulfillment_conformance.backend.under_test import MarketplaceUnderTest, open_marketplace
from fulfillment_conformance.checks import Checks
from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.loading import DriverSettings
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.preflight import Preflight
from fulfillment_conformance.run import Run, RunOptions, prepare
from fulfillment_conformance.serving import Serving, serve

Opener = Callable[..., MarketplaceUnderTest]
LOOKS = ["reachable", "clock", "arranging", "access token", "access token taken", "answers", "plans", "purchases"]


class Opened:
    """A run, its preflight, and what it has recorded."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.preflight = Preflight()
        self.recorded: list[Exchange] = []
        run.recorder = self.recorded.append  # type: ignore[assignment] # nothing else of it is used here

    @property
    def looks(self) -> dict[str, str]:
        return {finding.what: finding.seen for finding in self.preflight.findings}


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Opened]:
    def prepared(target: str, **environ: str) -> Opened:
        file = tmp_path / "target.yaml"
        file.write_text(f"role: marketplace\nmarketplace: {target}\n", encoding="utf-8")
        return Opened(prepare(RunOptions(target=file, seed=5), environ=environ))

    return prepared


@pytest.fixture
def served() -> Iterator[Serving]:
    with serve(Emulator(Settings()).app) as serving:
        yield serving


@pytest.fixture
def embedded(prepared: Callable[..., Opened]) -> Iterator[tuple[Opened, MarketplaceUnderTest]]:
    opened = prepared("{driver: embedded}")
    with open_marketplace(opened.run, opened.preflight) as under_test:
        yield opened, under_test


def test_everything_is_looked_at_before_anything_is_judged(embedded: tuple[Opened, MarketplaceUnderTest]) -> None:
    opened, under_test = embedded

    assert list(opened.looks) == LOOKS
    assert all(finding.good for finding in opened.preflight.findings)
    assert opened.run.ready
    assert opened.looks["arranging"].startswith("embedded: access-tokens, auto-activate, auto-renew, clock, ")
    assert opened.looks["access token"] == "obtained"
    assert opened.looks["plans"] == "10 plans on offer"
    assert opened.looks["purchases"] == "a fresh purchase shows in the API"
    assert opened.looks["answers"] == "401, 200, 400, 400"
    assert [*under_test.client.list_subscriptions().entries] == []  # the trial purchase is forgotten


def test_nobody_is_judged_unless_the_preflight_succeeds(prepared: Callable[..., Opened]) -> None:
    opened = prepared(f"{{base_url: 'http://127.0.0.1:1/api', driver: '{__name__}:NoTokens'}}")

    with (
        pytest.raises(EnvironmentUnavailable, match=r"marketplace.base_url http://127.0.0.1:1/api cannot be reached"),
        open_marketplace(opened.run, opened.preflight),
    ):
        pass
    assert [(finding.what, finding.good) for finding in opened.preflight.findings] == [("reachable", False)]
    assert not opened.run.ready


def test_without_a_preflight_of_the_callers_there_is_one_all_the_same(prepared: Callable[..., Opened]) -> None:
    opened = prepared("{base_url: 'http://127.0.0.1:1/api'}")

    with pytest.raises(EnvironmentUnavailable), open_marketplace(opened.run):
        pass


def test_every_exchange_is_recorded_and_unanswered_ones_noticed(
    embedded: tuple[Opened, MarketplaceUnderTest],
) -> None:
    opened, under_test = embedded
    before = len(opened.recorded)
    under_test.client.list_subscriptions()
    under_test.driver.now()
    under_test.driver.close()
    with under_test.silence.during_test(opened.run, cast("Checks", SimpleNamespace(claims=(), each=list))):
        lost = under_test.client.list_subscriptions()

    assert "is anybody there?" in [exchange.purpose for exchange in opened.recorded[:before]]
    assert [exchange.receiver for exchange in opened.recorded[before:]][:2] == ["marketplace", "control"]
    assert opened.run.unanswered[0] is lost.exchange
    assert opened.run.gone is lost.exchange


def test_the_target_answers_or_not(embedded: tuple[Opened, MarketplaceUnderTest]) -> None:
    opened, under_test = embedded
    assert under_test.answers()
    probe = opened.recorded[-1]
    assert probe.url == f"{under_test.client.base_url}/saas/subscriptions?api-version=2018-08-31"
    assert (probe.method, probe.purpose) == ("GET", "does the target still answer?")
    under_test.driver.close()

    assert not under_test.answers()


def test_bad_tokens_are_the_drivers_and_kept_secret(embedded: tuple[Opened, MarketplaceUnderTest]) -> None:
    opened, under_test = embedded
    token = under_test.access_token("expired")

    assert token not in opened.run.redactor.text(f"it is {token}")
    assert under_test.as_publisher("expired").list_subscriptions().status_code in {401, 403}
    assert under_test.as_publisher("foreign-publisher").list_subscriptions().status_code == 200
    assert under_test.client.access_token() not in opened.run.redactor.text(under_test.client.access_token())


class NoTokens(BareDriver):
    """A sandbox that can arrange nothing, not even tokens but the valid one; told of by `able` what it claims."""

    able: frozenset[str] = frozenset()

    def __init__(self, settings: DriverSettings) -> None:
        """Take what drivers are made from, and need none of it."""

    @property
    def capabilities(self) -> frozenset[str]:
        return self.able

    def access_token(self, kind: Any) -> str:
        return "not-a-real-token"


@pytest.mark.parametrize(
    ("able", "kind", "missing"),
    [
        (set(), "expired", "access-tokens"),
        ({"access-tokens"}, "foreign-publisher", "foreign-publisher"),
    ],
)
def test_a_token_that_the_target_cannot_give_is_a_missing_capability(
    embedded: tuple[Opened, MarketplaceUnderTest],
    monkeypatch: pytest.MonkeyPatch,
    able: set[str],
    kind: Any,
    missing: str,
) -> None:
    _, under_test = embedded
    monkeypatch.setitem(vars(under_test.driver), "capabilities", frozenset(able))

    with pytest.raises(MissingCapability) as lacking:
        under_test.access_token(kind)
    assert lacking.value.capability == missing


def test_a_driver_that_can_do_nothing_gives_at_least_the_token(
    prepared: Callable[..., Opened], served: Serving
) -> None:
    driver = f"{__name__}:NoTokens"
    opened = prepared(f"{{base_url: '{served.url}/api', driver: '{driver}'}}")

    with (
        pytest.raises(
            EnvironmentUnavailable, match=r"refuses the suite's access token on every call \(401, 401, 401\)"
        ),
        open_marketplace(opened.run, opened.preflight),
    ):
        pass
    assert list(opened.looks) == ["reachable", "clock", "arranging", "access token", "access token taken"]
    assert opened.looks["arranging"] == "NoTokens: nothing"
    assert "not-a-real-token" not in opened.run.redactor.text("not-a-real-token")


def test_a_trial_purchase_that_cannot_be_made_says_nothing_against_the_target(
    prepared: Callable[..., Opened], served: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NoTokens, "able", frozenset({"purchases"}))
    identity = (
        f"{{token_endpoint: '{served.url}/8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10/oauth2/v2.0/token', "
        "tenant_id: 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10, client_id: 5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20, "
        "client_secret: '${SECRET}'}"
    )
    opened = prepared(
        f"{{base_url: '{served.url}/api', driver: '{__name__}:NoTokens', identity: {identity}}}",
        SECRET="local-development-secret",
    )
    with open_marketplace(opened.run, opened.preflight):
        pass

    assert opened.looks["plans"] == "0 plans on offer"
    assert opened.looks["purchases"] == (
        "the target cannot arrange it: capability 'purchases' is missing: no public plan is on offer"
    )
    assert "local-development-secret" not in opened.run.redactor.text("local-development-secret")
    asked = [exchange for exchange in opened.recorded if exchange.receiver == "identity"]
    assert [exchange.url.rpartition("/oauth2")[2] for exchange in asked] == ["/v2.0/token"]


def test_a_control_surface_tells_how_to_get_a_token(prepared: Callable[..., Opened], served: Serving) -> None:
    opened = prepared(f"{{base_url: '{served.url}/api'}}")
    with open_marketplace(opened.run, opened.preflight) as under_test:
        assert under_test.client.list_subscriptions().status_code == 200

    asked = [exchange for exchange in opened.recorded if exchange.receiver == "identity"]
    assert len(asked) == 1
    assert list(opened.looks) == LOOKS


def test_a_publisher_of_whom_nothing_is_on_offer_cannot_buy(prepared: Callable[..., Opened], served: Serving) -> None:
    opened = prepared(f"{{base_url: '{served.url}/api', publisher_id: fabrikam}}")

    with (
        pytest.raises(EnvironmentUnavailable, match="a purchase made for this check does not show"),
        open_marketplace(opened.run, opened.preflight),
    ):
        pass
    assert opened.looks["plans"] == "2 plans on offer"
