"""What a run calls at its end, so that what works can show it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from fulfillment_conformance.backend.proof import give_proof, watch_for_signs
from fulfillment_conformance.backend.signs import NOTIFICATIONS
from fulfillment_conformance.backend.under_test import MarketplaceUnderTest, open_marketplace
from fulfillment_conformance.backend.webhook import Webhook, open_webhook
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.life import TARGET
from fulfillment_conformance.run import Run, RunOptions, prepare

READS = [
    "resolve",
    "list subscriptions",
    "get subscription",
    "list available plans",
    "list operations",
    "get operation",
]
WRITES = ["activate", "change plan", "change quantity", "cancel", "update operation"]
PARTS = [*READS, *WRITES, NOTIFICATIONS]


@contextmanager
def opened(
    folder: Path, profile: str = "documented", deviations: Sequence[str] = ()
) -> Iterator[tuple[Run, MarketplaceUnderTest, Webhook]]:
    file = folder / "target.yaml"
    place = {"driver": "embedded", "profile": profile, "deviations": list(deviations)}
    file.write_text(yaml.safe_dump({"role": "marketplace", "marketplace": place}), encoding="utf-8")
    run = prepare(RunOptions(target=file, seed=5))
    with ExitStack() as stack:
        under_test = stack.enter_context(open_marketplace(run))
        watch_for_signs(run, under_test)
        yield run, under_test, stack.enter_context(open_webhook(run, under_test))


@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_everything_that_works_can_show_it(tmp_path: Path, profile: str) -> None:
    with opened(tmp_path, profile) as (run, under_test, webhook):
        for part in PARTS:
            run.life.called(part)
        run.life.take_called()
        give_proof(run, under_test, webhook)

        assert run.life.unproven == set()
        assert run.life.take_called() == (TARGET,)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_can_show_it_alone(tmp_path: Path, part: str) -> None:
    with opened(tmp_path) as (run, under_test, webhook):
        run.life.called(part)
        give_proof(run, under_test, webhook)

        assert run.life.unproven == set()


def test_what_does_not_work_cannot(tmp_path: Path) -> None:
    with opened(tmp_path, deviations=["operations-cannot-be-listed"]) as (run, under_test, webhook):
        for part in PARTS:
            run.life.called(part)
        give_proof(run, under_test, webhook)

        assert run.life.unproven == {"list operations"}


def test_nothing_is_sent_where_nothing_is_open_or_nobody_is_there(tmp_path: Path) -> None:
    with opened(tmp_path) as (run, under_test, webhook):
        give_proof(run, under_test, webhook)
        seen: list[Exchange] = []
        under_test.http.observer = seen.append
        give_proof(run, under_test, webhook)
        run.life.called("cancel")
        run.gone = Exchange(sender="suite", receiver="marketplace", method="GET", url="http://127.0.0.1/")
        give_proof(run, under_test, webhook)

        assert seen == []
