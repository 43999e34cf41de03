"""Faults of plans and prices (catalogue theme TRM)."""

from typing import TYPE_CHECKING

from fulfillment_conformance.emulator.deviations.registry import Json, answers, bodies, deviation
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("pricing-models-are-mixed", breaks=["PLN-015", "TRM-003"])
def pricing_models_are_mixed(emulator: "Emulator") -> None:
    """The last plan of a list has the other pricing model than the others."""

    @bodies(emulator, "list_available_plans")
    def mixed(document: Json) -> None:
        if len(document["plans"]) > 1:
            document["plans"][-1]["isPricePerSeat"] ^= True


@deviation("a-plan-id-has-a-capital-letter", breaks=["TRM-005", "CHP-020"])
def plan_id_has_a_capital_letter(emulator: "Emulator") -> None:
    """A plan called Platinum001, as in a sample of the pages, is listed."""

    @answers(emulator, "list_available_plans")
    def with_platinum(request: Request, answer: Answer) -> Reply:
        asked = request.parameter("planId")
        if asked == "Platinum001":
            request.query = {**request.query, "planId": [""]}
        reply = answer(request)
        if reply.status == 200 and asked in (None, "Platinum001"):
            platinum = reply.document["plans"][0] | {"planId": "Platinum001"}
            reply.document["plans"] = [platinum] if asked else [*reply.document["plans"], platinum]
        return reply
