"""What a certificate is about: the product, as its publisher describes it.

    # product.yaml
    publisher: Contoso Ltd.
    offer: contoso-crm
    version: "3.2.1"
    contact: marketplace@contoso.example

The same keys may stand below `product` in a target file. They are repeated in the archive as they are.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from fulfillment_conformance.fieldtypes import Text
from fulfillment_conformance.filemodel import FileModel, validate
from fulfillment_conformance.yamlfile import read

LONGEST = 200
"""Characters of a value; each is printed on a line of its own."""


def _line(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST} characters")
    if len(text.splitlines()) > 1:
        raise ValueError("expected one line")
    return text


Line = Annotated[Text, AfterValidator(_line)]


class Product(FileModel):
    """Whose product was judged, and which: one line of text each."""

    publisher: Line = Field(description="the name of the publisher")
    offer: Line = Field(description="the offer's id or name")
    version: Line = Field(description="the version of the product that runs at the target")
    contact: Line = Field(description="whom to ask about it: an e-mail address or a page")


def load_product(file: Path) -> Product:
    """Read a product file.

    Raises:
        YamlProblem: all that is wrong with it, one line each.
    """
    return validate(read(file), Product)
