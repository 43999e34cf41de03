"""Usage events: judged only where the publisher bills by usage (theme MTR)."""

from fulfillment_conformance.marks import requirement


@requirement("MTR-001", "MTR-002", "MTR-003")
def test_usage_is_reported_for_subscriptions_in_use_and_once(publisher, check):
    """Resource ids, duplicates and the last 24 hours show at the metering service, which the emulator does not play."""
    for each in check.each("MTR-001", "MTR-002", "MTR-003"):
        if publisher.service.claims.bills_by_usage:
            each.untestable("metering: the emulator has no metering service to which usage could be reported")
        else:
            each.not_applicable("claims.bills_by_usage: the publisher does not say that it bills by usage")
