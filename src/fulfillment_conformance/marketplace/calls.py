"""What a call of the Fulfillment API brings along: who calls, and which values were not given."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as told by the access token: a publisher, and the tenant and application it calls from."""

    publisher_id: str
    tenant_id: str
    app_id: str


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""A value that the caller did not give, as opposed to null."""
