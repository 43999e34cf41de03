from datetime import UTC, datetime

from fulfillment_conformance.live.guide import STEPS, Guide
from fulfillment_conformance.live.listener import Caught

NOW = datetime(2026, 11, 22, tzinfo=UTC)
VISIT = Caught(kind="visit", at=NOW)


def came(action: str, *violations: str) -> Caught:
    return Caught(kind="notification", at=NOW, action=action, violations=violations)


def test_the_next_step_is_told_when_what_the_present_one_leads_to_has_come() -> None:
    told: list[str] = []
    guide = Guide(told.append)

    assert told[0].startswith("1. In the Azure portal open Marketplace")
    guide.caught(came("ChangePlan"))
    assert len(told) == 1
    guide.caught(VISIT)
    assert told[1:2] == ["   there it is: the landing page is opened with a purchase token"]
    assert told[2].startswith("2. ")


def test_the_last_step_ends_it_and_faults_are_told_on_the_way() -> None:
    told: list[str] = []
    guide = Guide(told.append)
    for caught in (VISIT, VISIT, came("ChangePlan", "/id is missing"), came("ChangeQuantity"), came("Unsubscribe")):
        assert not guide.is_done
        guide.caught(caught)

    assert guide.is_done
    assert told[-1] == "That was the last step."
    assert "   not as described: /id is missing" in told
    assert sum(line[0].isdecimal() for line in told) == len(STEPS)
    guide.caught(VISIT)
    assert told[-1] == "That was the last step."
