"""Faults of the way to the landing page (catalogue theme LND)."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fulfillment_conformance.emulator.deviations.registry import decision, deviation

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("the-purchase-token-has-another-name", breaks=["LND-002"])
def purchase_token_has_another_name(emulator: "Emulator") -> None:
    """The landing page gets the purchase token in the parameter marketplaceToken."""

    @decision(emulator, "landing_url")
    def renamed(landing_url: Any, landing_page: str, token: str) -> str:
        url: str = landing_url(landing_page, token)
        return url.replace("token=", "marketplaceToken=")


@deviation("the-landing-page-loses-its-parameters", breaks=["LND-002"])
def landing_page_loses_its_parameters(emulator: "Emulator") -> None:
    """The landing page is opened without the query parameters of its own address."""

    @decision(emulator, "landing_url")
    def bare(landing_url: Any, landing_page: str, token: str) -> str:
        url: str = landing_url(landing_page.partition("?")[0], token)
        return url


@deviation("the-purchase-token-is-half-encoded", breaks=["LND-034"])
def purchase_token_is_half_encoded(emulator: "Emulator") -> None:
    """In the landing page's address the characters / and = of the purchase token stand as they are."""

    @decision(emulator, "landing_url")
    def half_encoded(landing_url: Any, landing_page: str, token: str) -> str:
        url: str = landing_url(landing_page, token)
        return url.replace(quote(token, safe=""), quote(token, safe="/="))
