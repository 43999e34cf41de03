"""A last chance for parts of a publisher that tests called and that did not come to show that they work.

In a whole run they have long done so, and nothing happens here. Where a few requirements were asked for, one customer
more comes along, looks at the account, and changes the plan.
"""

from contextlib import suppress

from fulfillment_conformance.errors import ConformanceError
from fulfillment_conformance.interruptions import Interruption
from fulfillment_conformance.life import LAST_CHANCE
from fulfillment_conformance.run import Run
from fulfillment_conformance.stage.opening import Stage
from fulfillment_conformance.stage.signs import ACCOUNT, WEBHOOK

NOBODY = "0dd00000-0000-4000-8000-00000000f00d"
"""The id of no subscription."""


def give_proof(run: Run, stage: Stage) -> None:
    """Let a publisher show that what tests have called works; what it does not show is left as it is."""
    unproven = run.life.unproven
    if not unproven or run.gone is not None:
        return
    with run.recorder.apart(LAST_CHANCE), run.life.aside(), suppress(Interruption, ConformanceError):
        customer = stage.subscribed()
        if ACCOUNT in unproven:
            stage.publisher.account(NOBODY)
        if WEBHOOK in unproven:
            customer.goes_through_a_change()
