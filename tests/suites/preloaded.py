"""What every run needs, imported and read once by the server that runs are forked from.

Not the plugins themselves: pytest warns of those that it cannot rewrite any more.
"""

import allure_commons
import execnet
import pytest
import schemathesis
from hypothesis import find
from hypothesis import strategies as st

import fulfillment_conformance.backend.storyteller
import fulfillment_conformance.backend.under_test
import fulfillment_conformance.cli
import fulfillment_conformance.generated
import fulfillment_conformance.report
import fulfillment_conformance.stage.opening
from fulfillment_conformance import run
from fulfillment_conformance.contract import Contract
from fulfillment_conformance.http_client import trust

__all__ = ["allure_commons", "execnet", "fulfillment_conformance", "pytest", "schemathesis"]

trust()
run._catalogue()
Contract.load(profile="documented")
find(st.integers(0, 1), lambda _: True)  # hypothesis reads the source of everything imported when it first draws
