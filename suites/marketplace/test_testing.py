"""What Microsoft offered for testing (catalogue theme TST)."""

from fulfillment_conformance.marks import requirement


@requirement("TST-008")
def test_the_mock_version_of_2019_is_gone(marketplace, purchase, check):
    """api-version=2018-09-15 was a mock API; it is refused today."""
    check("TST-008").refused(
        marketplace.get_subscription(purchase.id, api_version="2018-09-15"),
        while_twin=marketplace.get_subscription(purchase.id),
    )
