"""Where the pages that requirements come from can be read."""

import re

_PARTNER_CENTER = "https://learn.microsoft.com/en-us/partner-center/marketplace-offers/"
_ADDRESSES = {
    name: _PARTNER_CENTER + name
    for name in (
        "azure-ad-transactable-saas-landing-page",
        "create-new-saas-offer-plans",
        "create-new-saas-offer-technical",
        "pc-saas-fulfillment-apis",
        "pc-saas-fulfillment-life-cycle",
        "pc-saas-fulfillment-operations-api",
        "pc-saas-fulfillment-subscription-api",
        "pc-saas-fulfillment-webhook",
        "pc-saas-registration",
        "plan-saas-offer",
        "plans-pricing",
    )
} | {
    "certification-policies": "https://learn.microsoft.com/en-us/legal/marketplace/certification-policies",
    "commercial-marketplace-openapi": "https://github.com/microsoft/commercial-marketplace-openapi",
}


def address(source: str) -> str | None:
    """Return the address of the page that a requirement's source begins with, None if it has none or is withdrawn."""
    page = re.match(r"[a-z0-9-]+", source)
    return _ADDRESSES.get(page.group()) if page else None
