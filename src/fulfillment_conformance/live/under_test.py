"""The live service as the marketplace under test; or, for a dry run, a stand-in in its place."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fulfillment_conformance.backend.under_test import MarketplaceUnderTest
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.live.dry_run import as_line
from fulfillment_conformance.live.opening import live_service, look_over, opened
from fulfillment_conformance.live.standin import stand_in
from fulfillment_conformance.preflight import Preflight
from fulfillment_conformance.run import Run
from fulfillment_conformance.target import MarketplaceTarget


@contextmanager
def open_live(run: Run, target: MarketplaceTarget, preflight: Preflight) -> Iterator[MarketplaceUnderTest]:
    """Reach the live service, guarded, and make sure that judging it makes sense; put everything back at the end.

    A dry run does the same with a stand-in that has what the file lists, and writes down each request.

    Raises:
        UsageProblem: a file that the target names cannot be used.
        EnvironmentUnavailable: the preflight failed, or something could not be put back.
    """
    under_test: list[MarketplaceUnderTest] = []
    list_file = run.options.dry_run

    def observe(exchange: Exchange) -> None:
        run.recorder(exchange)
        if list_file is not None:
            with list_file.open("a", encoding="utf-8") as lines:
                lines.write(f"{as_line(exchange, run.redactor)}\n")
        for each in under_test:
            each.silence.notice(exchange)

    with ExitStack() as stack:
        ledger = None
        if list_file is not None:
            ledger = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ledger.sqlite"
            target = stack.enter_context(stand_in(target, profile=run.profile)).target
        service = stack.enter_context(live_service(target, observer=observe, redactor=run.redactor, ledger=ledger))
        look_over(service, preflight)
        situations = stack.enter_context(opened(service, run.redactor))
        under_test.append(MarketplaceUnderTest(service.driver, service.http, service.client, situations, run.redactor))
        run.ready = True
        yield under_test[0]
