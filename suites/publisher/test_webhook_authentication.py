"""Who may speak to the webhook: only Microsoft, proven by its token (catalogue theme WHK; scenarios A01 to A16)."""

from fulfillment_conformance.forge import Forge
from fulfillment_conformance.marks import requirement


def _all_in_vain(attacks, decides):
    """Every forged call was turned away and changed nothing, at once or later, while the genuine one was taken."""
    for each in attacks:
        decides.turned_away(each.answer, while_twin=attacks.twin)
        decides.no_effect(each.effect)
    decides.no_effect(attacks.afterwards)


def _hostile(requirement_id):
    return Forge.names(expected="refused", requirement=requirement_id)


@requirement("WHK-012", "WHK-004")
def test_a_genuine_notification_is_taken(publisher, subscribed, check):
    """A right token, a real operation: the webhook answers 200."""
    answer = publisher.receives(subscribed.change_plan(subscribed.other_plan().plan_id))

    check("WHK-012").accepted(answer)
    check("WHK-004").taken(answer)


@requirement("WHK-022")
def test_both_token_versions_are_taken(stage, publisher, subscribed, check):
    """Version 1 (sts.windows.net, appid) and version 2 (login.microsoftonline.com, azp) are both Microsoft's."""
    for name in ("genuine-version-1", "genuine-version-2"):
        announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
        answer = publisher.receives(announcement, authorization=stage.forge.make(name).authorization, forged=False)
        subscribed.settles(announcement)

        check("WHK-022").accepted(answer)


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
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
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
    )
