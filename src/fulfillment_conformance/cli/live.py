"""What the commands about the live service have in common."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulfillment_conformance.live.opening import LiveService
    from fulfillment_conformance.run import RunOptions
    from fulfillment_conformance.target import MarketplaceTarget


def live_target(file: Path) -> "MarketplaceTarget":
    """Return a target file's content.

    Raises:
        UsageProblem: the file cannot be used, or has another driver than `live`.
    """
    from fulfillment_conformance.errors import UsageProblem
    from fulfillment_conformance.target import MarketplaceTarget, load_target

    target = load_target(file, os.environ, role="marketplace")
    if not isinstance(target, MarketplaceTarget) or target.driver != "live":
        raise UsageProblem(f"{file}: this is for Microsoft's live service; expected driver: live below marketplace")
    return target


@contextmanager
def reached(file: Path) -> Iterator["LiveService"]:
    """Give the way to the live service that a target file describes; what hinders it there is the environment's fault.

    Raises:
        UsageProblem: the file cannot be used.
        EnvironmentUnavailable: no token, no connection, no budget left, or the kill switch is on.
    """
    from fulfillment_conformance.errors import ConformanceError, EnvironmentUnavailable
    from fulfillment_conformance.exchange import ignore
    from fulfillment_conformance.interruptions import Interruption
    from fulfillment_conformance.live.opening import live_service
    from fulfillment_conformance.redaction import Redactor

    target = live_target(file)
    redactor = Redactor(target.secrets)
    try:
        with live_service(target, observer=ignore, redactor=redactor) as service:
            yield service
    except Interruption as hindered:
        raise EnvironmentUnavailable(redactor.text(str(hindered))) from None
    except ConformanceError as error:
        raise type(error)(redactor.text(str(error))) from None


def rehearse(options: "RunOptions", pytest_options: Sequence[str] = (), *, tell: Callable[[str], object]) -> int:
    """Run the suite against a stand-in, tell each request that a run would send, and return the exit code.

    Nothing is written, and whatever the stand-in is found to be is nobody's verdict: the exit code is 0 unless the run
    itself could not be made.

    Raises:
        UsageProblem: the target has another driver than `live`, or a file cannot be used.
        NothingSelected: the selection matches no test.
    """
    from fulfillment_conformance.outcome import ExitCode
    from fulfillment_conformance.runner import run_suite

    live_target(options.target)
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests.txt"
        requests.touch()
        code = run_suite(
            replace(options, output=Path(folder) / "output", dry_run=requests), pytest_options=pytest_options
        )
        lines = requests.read_text(encoding="utf-8").splitlines()
    for line in lines:
        tell(line)
    tell(f"{len(lines)} requests would be sent, if the live service answers as the emulator does; none was")
    judged = {ExitCode.CONFORMANT, ExitCode.FAILED, ExitCode.INCOMPLETE}
    return 0 if code in judged else code
