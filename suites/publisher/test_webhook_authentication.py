"""Who may speak to the webhook: only Microsoft, proven by its token (catalogue theme WHK; scenarios A01 to A16)."""

from contextlib import ExitStack, suppress

import pytest

from fulfillment_conformance.emulator.faults import Answers, BreaksOff
from fulfillment_conformance.forge import Forge
from fulfillment_conformance.interruptions import NotClaimed
from fulfillment_conformance.marks import requirement


def _all_in_vain(attacks, decides):
    """Every forged call was turned away and changed nothing, at once or later, while the genuine one was taken."""
    for each in attacks:
        decides.turned_away(each.answer, while_twin=attacks.twin)
        decides.no_effect(each.effect)
    decides.no_effect(attacks.afterwards)


UNAUTHENTICATED = {401, 403}
"""What a genuine notification is answered by whoever does not believe its token; anything else has other reasons."""

A_FEW = 10
"""How many requests for keys fifty invented key ids may cause."""

BETWEEN_FETCHES = 30.0
"""Seconds for which libraries use what they have fetched before an unknown key makes them fetch again."""

TYPICAL = {
    "WHK-012": "garbage",
    "WHK-014": "no-header",
    "WHK-015": "for-another-application",
    "WHK-016": "from-another-client",
    "WHK-017": "with-the-tenant-of-another",
    "WHK-018": "signed-by-a-stranger-under-a-known-kid",
    "WHK-019": "expired-an-hour-ago",
    "WHK-020": "valid-in-an-hour",
}
"""One forgery for each thing that a token proves."""


def _hostile(requirement_id):
    return Forge.names(expected="refused", requirement=requirement_id)


@requirement("WHK-012", "WHK-004", "REG-016")
def test_a_genuine_notification_is_taken(microsoft, publisher, subscribed, check):
    """A right token, a real operation: its header comes through, and the webhook answers 200."""
    announcement = subscribed.an_event()
    bare = publisher.receives(announcement, authorization=())
    answer = publisher.receives(announcement)
    # Who refuses this event may still believe its token: that shows at another one.
    believed = answer if answer.is_success else publisher.receives(subscribed.unsubscribe())

    if believed.is_success or believed.status_code in UNAUTHENTICATED:
        check("WHK-012").accepted(believed)
    else:
        answers = f"{believed.status_code or believed.error}, and without a token {bare.status_code or bare.error}"
        reason = f"genuine notifications are not taken (WHK-004), and nothing says that it is their token: {answers}"
        check("WHK-012").undecided(reason, rests_on=[bare, answer, believed])
    check("WHK-004").taken(answer)
    if believed.is_server_error:
        check("REG-016").undecided("a server error does not tell whether the header came", rests_on=[bare, believed])
        return
    if not believed.is_success:
        # Who asks for the key of a token has read it.
        with microsoft.another_signing_key() as signed:
            mark = microsoft.mark
            publisher.receives(announcement, token=signed(), forged=True)
            read = [*microsoft.called("keys", since=mark), *microsoft.called("metadata", since=mark)]
        if read or (answer.status_code, answer.text) != (bare.status_code, bare.text):
            reason = "the call was refused, though not for want of its header"
            check("REG-016").undecided(reason, rests_on=[bare, answer, *read])
            return
    check("REG-016").that(
        believed.is_success,
        expected="the Authorization header reaches the handler",
        actual=f"{believed.status_code}" + ("" if believed.is_success else ", exactly as without the header"),
        rests_on=[bare, answer, believed],
    )


@requirement("WHK-022")
def test_both_token_versions_are_taken(stage, publisher, check):
    """Version 1 (sts.windows.net, appid) and version 2 (login.microsoftonline.com, azp) are both Microsoft's."""
    answers = []
    for name in ("genuine-version-1", "genuine-version-2"):
        announcement = stage.subscribed().suspend()
        answers.append(
            publisher.receives(announcement, authorization=stage.forge.make(name).authorization, forged=False)
        )

    for answer in answers:
        if not any(each.is_success for each in answers):
            check("WHK-022").undecided("the event is taken with neither version of the token", rests_on=answers)
            continue
        check("WHK-022").accepted(answer)


@requirement("WHK-049")
def test_a_new_signing_key_is_fetched(microsoft, publisher, subscribed, check):
    """Microsoft signs with a key that it has just published: taken, after one request for keys.

    Libraries fetch keys at most so often, every half a minute for example: a new key is given that time to be fetched.
    """
    forged_before = publisher.has_seen_forged_tokens
    first = publisher.receives(announcement := subscribed.an_event())
    subscribed.settles(announcement)
    if not first.is_success:
        check("WHK-049").undecided("a token signed with the known key was not taken either", rests_on=[first])
        return
    with microsoft.another_signing_key() as signed:
        mark = microsoft.mark
        announcement = subscribed.an_event()
        answer = publisher.receives(announcement, token=signed(), forged=False)
        fetched = microsoft.called("keys", since=mark)
        subscribed.settles(announcement)
        if not answer.is_success and not fetched:
            microsoft.wait(lambda: None, seconds=_pause_between_fetches(microsoft, publisher, answer))
            if subscribed.can_change_plan:  # the refused change has failed; a state is announced again
                announcement = subscribed.an_event()
            answer = publisher.receives(announcement, token=signed(), forged=False)
            fetched = microsoft.called("keys", since=mark)
            subscribed.settles(announcement)

    if not answer.is_success and not fetched and forged_before:
        reason = "forged tokens with unknown keys came before in this run, and keys may be fetched only so often"
        check("WHK-049").undecided(f"{reason}; run it alone", rests_on=[answer])
        return
    check("WHK-049").that(
        answer.is_success and len(fetched) <= 2,
        expected="a token signed with a new key taken, after one request for keys",
        actual=f"{answer.status_code}, {len(fetched)} requests for keys",
        rests_on=[first, answer, *fetched],
    )


def _pause_between_fetches(microsoft, publisher, refused):
    """Return after how many seconds keys may be fetched again, whatever pause the publisher keeps between fetches."""
    before = microsoft.called("keys")
    since = (refused.exchange.at - before[-1].at).total_seconds() if before else BETWEEN_FETCHES
    return max(2 * publisher.effect_limit, BETWEEN_FETCHES - since) + 1


@requirement("WHK-012", "WHK-050")
def test_without_keys_nothing_is_taken_on_trust(microsoft, publisher, subscribed, check):
    """A key that the publisher does not know yet, and the key endpoint is down: 5xx, no effect; taken afterwards.

    Whoever keeps a pause between two fetches is asked once more when that is over.
    """

    def is_announced(announcement):
        # First what is down, then what is published: of several plans for one call the oldest is met.
        with ExitStack() as down:
            keys = down.enter_context(microsoft.disturbed(Answers(503), call="keys"))
            metadata = down.enter_context(microsoft.disturbed(Answers(503), call="metadata"))
            with microsoft.another_signing_key() as signed:
                token = signed()
                answer = publisher.receives(announcement, token=token, forged=True)
                effect = subscribed.effects_so_far()
                down.close()
                asked = bool(keys.met or metadata.met)
                return answer, effect, asked, publisher.receives(announcement, token=token, forged=False)

    announcement = subscribed.a_pending_event()
    answer, effect, asked, again = is_announced(announcement)
    if not answer.is_success and not asked:
        subscribed.settles(announcement)
        microsoft.wait(lambda: None, seconds=_pause_between_fetches(microsoft, publisher, answer))
        if subscribed.can_change_plan:  # the refused change has failed; a state is announced again
            announcement = subscribed.a_pending_event()
        answer, effect, asked, again = is_announced(announcement)
    twin = again if again.is_success else publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success:
        for each in check.each("WHK-012", "WHK-050"):
            each.undecided("the genuine call was not taken either", rests_on=[answer, twin])
        return
    check("WHK-012").that(
        not answer.is_success and not effect.changes(),
        expected="not taken, and no effect, while the signature cannot be checked",
        actual=f"{answer.status_code}; {'; '.join(effect.changes()) or 'no effect'}",
        rests_on=[answer, *effect.evidence()],
    )
    if not asked:
        check("WHK-050").undecided("the publisher did not ask for keys", rests_on=[answer])
        return
    check("WHK-050").that(
        answer.is_server_error and again.is_success,
        expected="5xx, and taken when the key endpoint is back",
        actual=f"{answer.status_code}, then {again.status_code}",
        rests_on=[answer, again],
    )


@requirement("WHK-012")
@pytest.mark.parametrize("fault", [Answers(200, b"<html>Sign in</html>"), BreaksOff()], ids=["page", "cut"])
def test_whatever_is_wrong_with_the_keys_nothing_is_taken_on_trust(microsoft, publisher, subscribed, check, fault):
    """A page where the keys should be, or a connection that breaks off: not taken, and no effect."""
    announcement = subscribed.a_pending_event()
    with ExitStack() as down:
        down.enter_context(microsoft.disturbed(fault, call="keys"))
        down.enter_context(microsoft.disturbed(fault, call="metadata"))
        signed = down.enter_context(microsoft.another_signing_key())
        answer = publisher.receives(announcement, token=signed(), forged=True)
        effect = subscribed.effects_so_far()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success:
        check("WHK-012").undecided("the genuine call was not taken either", rests_on=[answer, twin])
        return
    check("WHK-012").that(
        not answer.is_success and not effect.changes(),
        expected="not taken, and no effect, while the signature cannot be checked",
        actual=f"{answer.status_code}; {'; '.join(effect.changes()) or 'no effect'}",
        rests_on=[answer, *effect.evidence()],
    )


@requirement("WHK-014", "V1-010")
def test_a_call_without_a_token_is_turned_away(attack, check):
    """No Authorization header: refused, as version 1 did not ask for."""
    attacks = attack(["no-header"])

    for decides in check.each("WHK-014", "V1-010"):
        _all_in_vain(attacks, decides)


@requirement("WHK-012")
def test_what_is_no_jwt_is_turned_away(attack, check):
    """An empty bearer, another scheme, garbage, a payload without claims: none of them proves anything."""
    attacks = attack(_hostile("WHK-012"))

    _all_in_vain(attacks, check("WHK-012"))


@requirement("WHK-018")
def test_what_microsofts_key_did_not_sign_is_turned_away(attack, check):
    """Unsigned, signed by a stranger, HS256 with the public key, keys brought along: the signature decides."""
    attacks = attack([name for name in _hostile("WHK-018") if name not in _hostile("WHK-017")])

    _all_in_vain(attacks, check("WHK-018"))


@requirement("WHK-015")
def test_a_token_for_another_audience_is_turned_away(attack, check):
    """Claim aud is the publisher's own application id."""
    attacks = attack(_hostile("WHK-015"))

    _all_in_vain(attacks, check("WHK-015"))


@requirement("WHK-016")
def test_a_token_of_another_caller_is_turned_away(attack, check):
    """Claim appid or azp is the marketplace's application id."""
    attacks = attack(_hostile("WHK-016"))

    _all_in_vain(attacks, check("WHK-016"))


@requirement("WHK-017")
def test_a_token_of_another_tenant_is_turned_away(attack, check):
    """Claim tid is the publisher's own tenant."""
    attacks = attack(_hostile("WHK-017"))

    _all_in_vain(attacks, check("WHK-017"))


@requirement("WHK-021")
def test_a_token_of_another_issuer_is_turned_away(attack, check):
    """Claim iss is Entra's for the publisher's tenant."""
    attacks = attack([name for name in _hostile("WHK-021") if name not in _hostile("WHK-017")])

    _all_in_vain(attacks, check("WHK-021"))


@requirement("WHK-019")
def test_an_expired_token_is_turned_away(attack, check):
    """Beyond five minutes of skew, expired is expired."""
    attacks = attack(_hostile("WHK-019"))

    _all_in_vain(attacks, check("WHK-019"))


@requirement("WHK-020")
def test_a_token_that_is_not_yet_valid_is_turned_away(attack, check):
    """Beyond five minutes of skew, the future is the future."""
    attacks = attack(_hostile("WHK-020"))

    _all_in_vain(attacks, check("WHK-020"))


@requirement("WHK-024")
def test_a_refused_call_leaves_no_trace_in_an_account(publisher, attack, check):
    """Whatever the answer to a forged call is, plan, seats and status stay as they were."""
    if not publisher.shows_state:
        check("WHK-024").untestable("publisher.state: the target file names no page that shows the accounts")
        return
    attacks = attack(["no-header", "signed-by-a-stranger", "for-another-application", "expired-an-hour-ago"])

    for each in attacks:
        check("WHK-024").no_change_of_state(each.effect)
    check("WHK-024").no_change_of_state(attacks.afterwards)


@requirement("WHK-014", "REG-006")
def test_a_key_in_the_address_is_not_enough(publisher, subscribed, check):
    """A webhook address with a secret in it is no lock: without a token the call is refused all the same."""
    announcement = subscribed.a_pending_event()
    refused = publisher.receives(announcement, authorization=())
    effect = subscribed.effects()
    twin = publisher.receives(announcement)
    secrets = publisher.secrets_in_addresses()

    check("WHK-014").turned_away(refused, while_twin=twin)
    check("WHK-014").no_effect(effect)
    check("REG-006").that(
        not secrets,
        expected="landing page and webhook addresses without secrets",
        actual=f"parameters {', '.join(secrets)}" if secrets else "none",
        rests_on=[twin],
    )


@requirement("WHK-048")
def test_two_minutes_between_the_clocks_are_forgiven(stage, publisher, subscribed, check):
    """Expired two minutes ago, valid in two minutes: clocks differ, and the event has its effect."""
    genuine = publisher.receives(announcement := subscribed.an_event())
    subscribed.settles(announcement)
    for name in Forge.names(expected="accepted", requirement="WHK-048"):
        forgery = stage.forge.make(name)
        for value in forgery.authorization:
            stage.hide(value)
        announcement = subscribed.an_event()
        answer = publisher.receives(announcement, authorization=forgery.authorization, forged=False)
        subscribed.settles(announcement)
        if not answer.is_success:
            publisher.receives(announcement)
            subscribed.settles(announcement)
        if not genuine.is_success:
            check("WHK-048").undecided("a token without any difference was not taken either", rests_on=[genuine])
        else:
            check("WHK-048").accepted(answer)


@requirement("WHK-012")
def test_a_token_is_good_until_it_ends(stage, publisher, subscribed, check):
    """Callers use a token again until it ends: one that was issued fifty minutes ago proves as much as a fresh one."""
    fresh = publisher.receives(announcement := subscribed.an_event())
    subscribed.settles(announcement)
    old = stage.forge.make("issued-fifty-minutes-ago")
    stage.hide(*old.authorization)
    announcement = subscribed.an_event()
    answer = publisher.receives(announcement, authorization=old.authorization, forged=False)
    subscribed.settles(announcement)

    if not fresh.is_success or not (answer.is_success or answer.status_code in UNAUTHENTICATED):
        check("WHK-012").undecided("a fresh token, or what is announced, is not taken either", rests_on=[fresh, answer])
        return
    check("WHK-012").accepted(answer)


@requirement("WHK-014", "WHK-018")
def test_who_was_believed_has_to_prove_it_again(stage, publisher, subscribed, check):
    """After a genuine call none is taken without a token, and none for a token or a key that is known by now."""
    genuine = stage.forge.genuine()
    stage.hide(*genuine.authorization)
    first = publisher.receives(announcement := subscribed.an_event(), authorization=genuine.authorization, forged=False)
    subscribed.settles(announcement)
    announcement = subscribed.a_pending_event()
    known = [
        stage.forge.under_another_signature(genuine),
        stage.forge.make("signed-by-a-stranger-under-a-known-kid"),
    ]
    bare = publisher.receives(announcement, authorization=())
    of_bare = subscribed.effects()
    subscribed.remember()
    signed = []
    for forgery in known:
        stage.hide(*forgery.authorization)
        signed.append(publisher.receives(announcement, authorization=forgery.authorization))
    of_signed = subscribed.effects()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not first.is_success:
        for each in check.each("WHK-014", "WHK-018"):
            each.undecided("the genuine call was not taken in the first place", rests_on=[first])
        return
    check("WHK-014").turned_away(bare, while_twin=twin)
    check("WHK-014").no_effect(of_bare)
    for answer in signed:
        check("WHK-018").turned_away(answer, while_twin=twin)
    check("WHK-018").no_effect(of_signed)


@requirement("WHK-012", "WHK-014", "WHK-015", "WHK-016", "WHK-017", "WHK-018", "WHK-019", "WHK-020")
def test_whatever_is_announced_has_to_be_proven(stage, publisher, check):
    """A renewal, other seats, a suspension and its end, a purchase, a cancellation: each is told with a token only.

    What is announced has happened, so that a publisher may see it without being told: only the answers are judged.
    """
    judged, refused = False, []
    for announcement, customer in _one_of_each(stage):
        forged = {
            requirement_id: [
                publisher.receives(announcement, authorization=forgery.authorization)
                for forgery in stage.forgeries([name])
            ]
            for requirement_id, name in TYPICAL.items()
        }
        twin = publisher.receives(announcement)
        customer.settles(announcement)
        if not (twin.is_success or any(answer.is_success for answers in forged.values() for answer in answers)):
            refused.append(twin)  # whoever tells it
            continue
        judged = True
        for requirement_id, answers in forged.items():
            for answer in answers:
                check(requirement_id).turned_away(answer, while_twin=twin)
    if not judged:
        for each in check.each(*TYPICAL):
            each.undecided("none of these events is taken, whoever tells it", rests_on=refused)


def _one_of_each(stage):
    """Let every kind of event happen that this publisher takes; give each notification, and whose it is."""
    customer = stage.subscribed_per_seat()
    yield customer.renew(), customer
    if customer.subscription.quantity is not None and not customer.claims.refuses_changes:
        with suppress(NotClaimed):
            yield customer.change_quantity(customer.other_seats), customer
    yield customer.suspend(), customer
    if not customer.claims.refuses_reinstatement:
        yield customer.reinstate(), customer
    yield customer.unsubscribe(), customer
    if customer.claims.sells_auto_activation:
        bought = stage.auto_activated()
        yield bought.announced(), bought


@requirement("WHK-049")
def test_invented_keys_are_not_asked_for_without_end(stage, microsoft, publisher, subscribed, check):
    """Fifty tokens under names that no key has: a few requests for keys."""
    announcement = subscribed.an_event()
    mark = microsoft.mark
    for forgery in stage.forge.invented_kids(50):
        publisher.receives(announcement, authorization=forgery.authorization)
    asked = microsoft.called("keys", since=mark)
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success:
        check("WHK-049").undecided("a token signed with the known key was not taken either", rests_on=[twin])
        return
    check("WHK-049").that(
        len(asked) <= A_FEW,
        expected=f"at most {A_FEW} requests for keys because of fifty invented ones",
        actual=f"{len(asked)} requests",
        rests_on=asked,
    )
