import signal
import sys
import threading

import pytest

from fulfillment_conformance.termination import Terminated, termination_interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def test_a_request_to_end_interrupts_the_block() -> None:
    with termination_interrupts(), pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)


def test_the_handler_before_it_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with termination_interrupts():
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before


def test_on_another_thread_it_leaves_signals_alone() -> None:
    handlers: list[object] = []

    def work() -> None:
        with termination_interrupts():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert handlers == [signal.getsignal(signal.SIGTERM)]
