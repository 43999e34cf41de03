from fulfillment_conformance.report.sources import address


def test_pages_of_the_documentation_have_an_address() -> None:
    page = "https://learn.microsoft.com/en-us/partner-center/marketplace-offers/pc-saas-fulfillment-webhook"

    assert address("pc-saas-fulfillment-webhook § authentication (page date 08/24/2022)") == page
    assert address("pc-saas-fulfillment-webhook") == page
    assert address("commercial-marketplace-openapi saasapi.v2.json § servers") == (
        "https://github.com/microsoft/commercial-marketplace-openapi"
    )


def test_withdrawn_pages_and_observations_have_none() -> None:
    assert address("cpp-saas-fulfillment-api-v1 § errors (withdrawn)") is None
    assert address("observed in the field, not documentation: an issue") is None
    assert address("javascript:alert(1)") is None
    assert address("") is None
