from urllib.parse import urlsplit

from fulfillment_conformance.reference_publisher import ReferencePublisher, Settings


def test_a_key_in_an_address_is_found(settings: Settings) -> None:
    right = ReferencePublisher(settings)
    wrong = ReferencePublisher(settings, defects=["registers-a-key-in-an-address"])

    assert not urlsplit(right.webhook_address).query
    assert urlsplit(wrong.webhook_address).query == "code=a-function-key"


def test_a_fragment_in_an_address_is_found(settings: Settings) -> None:
    right = ReferencePublisher(settings)
    wrong = ReferencePublisher(settings, defects=["registers-an-address-with-a-fragment"])

    assert "#" not in right.landing_page
    assert "#" in wrong.landing_page
