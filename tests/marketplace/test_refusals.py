from fulfillment_conformance.marketplace import Refused


def test_a_refusal_tells_status_code_and_message_apart_and_together() -> None:
    refused = Refused(409, "OperationPending", "Wait until it has ended.")

    assert (refused.status, refused.code, refused.message) == (409, "OperationPending", "Wait until it has ended.")
    assert str(refused) == "409 OperationPending: Wait until it has ended."
