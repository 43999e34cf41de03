import importlib.util
import shutil

import pytest

from fulfillment_conformance.stage.browser import PROGRAMS


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium of this machine; what needs one is skipped where there is none."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("the extra 'browser' is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium is installed on this machine")
    return program
