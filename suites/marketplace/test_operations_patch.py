"""Update an operation: the publisher's word on a change (catalogue theme OPP)."""

import pytest

from fulfillment_conformance.backend.judgements import BAD_CREDENTIALS, value_is
from fulfillment_conformance.backend.situations import FINAL
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement

BOTH_KINDS = pytest.mark.parametrize("kind", ["plan", "seats"])


@pytest.fixture
def patch(marketplace):
    """Return a function that PATCHes the operation of a change."""
    return lambda change, status, **faults: marketplace.update_operation(
        change.purchase.id, change.operation_id, status, **faults
    )


@pytest.fixture
def waits(marketplace):
    """Return a function that checks that the operation of a change waits on after a PATCH that was refused."""

    def waits(check, change, refused):
        if refused.is_client_error:
            got = marketplace.get_operation(change.purchase.id, change.operation_id)
            check.equals(got.status, "InProgress")

    return waits


@pytest.fixture
def another(situations, patch):
    """Return a function that PATCHes Success on a change of its own: the twin of one that is refused."""
    return lambda: patch(situations.pending_change(), "Success")


@requirement("OPP-001", "OPP-012")
@BOTH_KINDS
def test_success_completes_a_customers_change(situations, patch, check, kind):
    """PATCH Success is answered 200; the operation is Succeeded, and the new value visible."""
    change = situations.pending_change(kind)
    answer = patch(change, "Success")
    operation, subscription = situations.ended_at_a_word(change)

    check("OPP-001").status(answer, 200)
    check("OPP-012").equals(operation.status, "Succeeded")
    value_is(check("OPP-012"), change.value_in(subscription), change.wanted)


@requirement("OPP-001")
def test_success_is_taken_for_a_reinstatement(marketplace, situations, check):
    """PATCH Success on a reinstatement that waits is answered 200 as well."""
    with situations.further():
        purchase, operation_id = situations.happening("Reinstate")
    waits = marketplace.get_operation(purchase.id, operation_id)
    answer = marketplace.update_operation(purchase.id, operation_id, "Success")
    if waits.status.value != "InProgress" or answer.status_code == 409:
        check("OPP-001").not_applicable(f"the reinstatement does not wait for the publisher: it is {waits.status}")
        return

    check("OPP-001").status(answer, 200)


@requirement("OPP-001")
def test_success_is_taken_for_the_publishers_own_change(marketplace, situations, subscribed, patch, check):
    """PATCH Success on a change that the publisher started is answered 200 as well, unless it has ended before."""
    change = situations.begin_change(subscribed, by="publisher")
    answer = patch(change, "Success")
    if answer.status_code == 409 and marketplace.get_operation(subscribed.id, change.operation_id).status.key in FINAL:
        check("OPP-001").not_applicable("the change had ended by itself before the publisher said a word (OPP-010)")
        return

    check("OPP-001").equals(
        answer.status_line, 200, observed="500 for an operation" if answer.status_code == 500 else None
    )


@requirement("OPP-002")
@BOTH_KINDS
def test_failure_rejects_a_change(marketplace, situations, patch, check, kind):
    """PATCH Failure is answered 200; the operation is Failed, and the value stays, however long it is silent then."""
    change = situations.pending_change(kind)
    answer = patch(change, "Failure")
    ended = situations.ended(change)
    value = change.value_in(marketplace.get_subscription(change.purchase.id))
    all_the_same = "the change is carried out all the same" if ended.status.value == "Succeeded" else None

    check("OPP-002").status(answer, 200)
    check("OPP-002").equals(ended.status, "Failed", observed=all_the_same)
    value_is(check("OPP-002"), value, change.before, observed=all_the_same)
    if situations.has("clock"):
        situations.pass_time(minutes=1)
        later = marketplace.get_operation(change.purchase.id, change.operation_id)
        value = change.value_in(marketplace.get_subscription(change.purchase.id))
        check("OPP-002").equals(later.status, "Failed", observed=all_the_same)
        value_is(check("OPP-002"), value, change.before, observed=all_the_same)


@requirement("OPP-002")
def test_failure_rejects_the_publishers_own_change(marketplace, situations, patch, check):
    """PATCH Failure on a change that the publisher itself began, and that waits, ends it as well."""
    with situations.further():
        change = situations.begin_change(situations.subscribed(), by="publisher")
    waits = marketplace.get_operation(change.purchase.id, change.operation_id)
    before = change.value_in(marketplace.get_subscription(change.purchase.id))
    answer = patch(change, "Failure")
    if waits.status.value != "InProgress" or before.value != change.before or answer.status_code != 200:
        check("OPP-002").not_applicable(f"the change was {waits.status} already, or needs no word ({before})")
        return
    ended = situations.ended(change)
    value = change.value_in(marketplace.get_subscription(change.purchase.id))
    all_the_same = "the change is carried out all the same" if ended.status.value == "Succeeded" else None

    check("OPP-002").equals(ended.status, "Failed", observed=all_the_same)
    value_is(check("OPP-002"), value, change.before, observed=all_the_same)


@requirement("OPP-005")
@pytest.mark.parametrize("word", ["Maybe", "Succeeded", "Failed"])
def test_other_words_are_refused(situations, patch, waits, another, check, word):
    """A status that is neither Success nor Failure is answered 400, and the operation goes on waiting."""
    change = situations.pending_change()
    refused = patch(change, word)

    waits(check("OPP-005"), change, refused)
    check("OPP-005").refused(refused, with_status=400, while_twin=another())


@requirement("OPP-006")
@pytest.mark.parametrize("fault", [fault for fault in BAD_CREDENTIALS if fault != "foreign-publisher"])
def test_without_a_usable_token_nothing_is_settled(situations, patch, waits, credentials, check, fault):
    """No usable access token: 401 or 403, and the operation goes on waiting."""
    change = situations.pending_change()
    refused = patch(change, "Success", **credentials(fault))

    waits(check("OPP-006"), change, refused)
    check("OPP-006").refused(refused, with_status=(401, 403), while_twin=patch(change, "Success"))


@requirement("OPP-007")
def test_another_publisher_settles_nothing(marketplace, situations, patch, credentials, check):
    """An application that is not the offer's own is refused with 401 or 403, and the operation goes on waiting."""
    change = situations.pending_change()
    refused = patch(change, "Failure", **credentials("foreign-publisher"))
    waiting = marketplace.get_operation(change.purchase.id, change.operation_id)

    check("OPP-007").refused(refused, with_status=(401, 403), while_twin=patch(change, "Success"))
    check("OPP-007").equals(waiting.status, "InProgress")


@requirement("OPP-008")
def test_an_unknown_subscription_is_not_found(marketplace, situations, patch, unknown_id, check):
    """A subscription id that names nothing is answered 404."""
    change = situations.pending_change()
    refused = marketplace.update_operation(unknown_id, change.operation_id, "Success")

    check("OPP-008").refused(refused, with_status=404, while_twin=patch(change, "Success"))


@requirement("OPP-009")
def test_an_unknown_operation_is_not_found(marketplace, situations, patch, unknown_id, check):
    """An operation id that names nothing is answered 404."""
    change = situations.pending_change()
    refused = marketplace.update_operation(change.purchase.id, unknown_id, "Success")

    check("OPP-009").refused(refused, with_status=404, while_twin=patch(change, "Success"))


@requirement("OPP-010")
def test_what_silence_has_accepted_cannot_be_settled(situations, webhook, patch, another, check):
    """PATCH on an operation that was accepted automatically is answered 409."""
    change = situations.pending_change()
    webhook.expects(change.purchase, change.action)
    ended = situations.ended(change)
    if ended.status.value != "Succeeded":
        raise Precondition(f"silence did not accept the change: {ended.status} (WHK-025)", ended.exchange)

    check("OPP-010").refused(patch(change, "Success"), with_status=409, while_twin=another())


@requirement("OPP-018")
def test_the_first_word_stands(marketplace, situations, patch, another, check):
    """PATCH Failure after PATCH Success is answered 409, or 200 without effect."""
    change = situations.pending_change()
    patch(change, "Success")
    ended = situations.ended(change)
    value = change.value_in(marketplace.get_subscription(change.purchase.id))
    if ended.status.value != "Succeeded" or value.value != change.wanted:
        raise Precondition(f"the change ended {ended.status}, with {value}, after Success (OPP-012)", ended.exchange)
    contradiction = patch(change, "Failure")
    got = marketplace.get_operation(change.purchase.id, change.operation_id)

    check("OPP-018").refused(contradiction, with_status=(409, 200), while_twin=another())
    check("OPP-018").equals(got.status, "Succeeded")
    value_is(check("OPP-018"), change.value_in(marketplace.get_subscription(change.purchase.id)), change.wanted)


@requirement("OPP-018")
@pytest.mark.parametrize(("first", "second"), [("Failure", "Success"), ("silence", "Failure")])
def test_a_later_word_changes_nothing(marketplace, situations, webhook, patch, another, check, first, second):
    """PATCH Success after Failure, or Failure after silence: 409, or 200 without effect."""
    with situations.further():
        change = situations.pending_change()
        if first == "silence":
            webhook.expects(change.purchase, change.action)
        else:
            patch(change, first)
    ended = situations.ended(change)
    outcome, value = ("Failed", change.before) if first == "Failure" else ("Succeeded", change.wanted)
    before = change.value_in(marketplace.get_subscription(change.purchase.id))
    if ended.status.value != outcome or before.value != value:
        check("OPP-018").not_applicable(f"the change ended {ended.status}, with {before}, after {first} (OPP-002)")
        return
    contradiction = patch(change, second)
    if situations.has("clock"):
        situations.pass_time(minutes=1)

    check("OPP-018").refused(contradiction, with_status=(409, 200), while_twin=another())
    check("OPP-018").equals(marketplace.get_operation(change.purchase.id, change.operation_id).status, outcome)
    value_is(check("OPP-018"), change.value_in(marketplace.get_subscription(change.purchase.id)), value)
