from collections.abc import Iterator

import pytest
from tests.backend.sandbox import Sandbox, open_sandbox


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with open_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Sandbox:
    served.begin_anew()
    return served
