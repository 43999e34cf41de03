"""When a target stops answering: which request was the last it saw, and what that means for the test that sent it.

A single request without an answer is that requirement's affair. Only when the target answers nothing any more, the test
that sent the first unanswered request fails, and everything after it is untestable (`run.gone`). If it was the sandbox
that did not answer first, the target may have been gone before anything was asked of it: then no requirement fails.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fulfillment_conformance.checks import Checks
from fulfillment_conformance.exchange import Exchange, Observer, Party, ignore
from fulfillment_conformance.interruptions import TargetGone
from fulfillment_conformance.run import Run

PROBE_SECONDS = 5.0
"""How long a target that left a request unanswered has to show that it is still there."""


@dataclass
class SilenceWatch:
    """Notices requests to `party` that get no answer; `still_there` asks the target anything at all."""

    party: Party
    still_there: Callable[[], bool]
    _unanswered: Observer = field(default_factory=lambda: ignore, init=False)
    _run: Run | None = field(default=None, init=False)

    def notice(self, exchange: Exchange) -> None:
        """Take in a finished exchange."""
        if exchange.receiver not in (self.party, "control"):
            return
        if exchange.status is None:
            self._unanswered(exchange)
        if self._run is not None:
            self._run.waited += exchange.seconds

    @contextmanager
    def during_test(self, run: Run, checks: Checks) -> Iterator[None]:
        """Watch one test; if the target is gone at its end, fail its requirements and say so to the run.

        Raises:
            TargetGone: it is gone already; so nothing is arranged any more, which only the sandbox could be blamed for.
        """
        if run.gone is not None:
            raise TargetGone(f"the target stopped answering after exchange {run.gone.number}", run.gone)
        run.unanswered.clear()
        run.waited = 0.0
        self._unanswered, self._run = run.unanswered.append, run
        try:
            yield
        finally:
            self._unanswered, self._run = ignore, None
        if not run.unanswered or self.still_there():
            return
        first = run.gone = run.unanswered[0]
        if not run.silent_first:
            return
        for check in checks.each(*checks.claims):
            check.that(
                False,
                expected="an answer",
                actual=f"target stopped answering after exchange {first.number}: {first.error}",
                rests_on=[first],
            )
