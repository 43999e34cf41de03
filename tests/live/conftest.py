from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.account import Account, account


@pytest.fixture
def acc(tmp_path: Path) -> Iterator[Account]:
    """A publisher's account on a stand-in of the live service."""
    with account(tmp_path) as running:
        yield running
