from pathlib import Path

import pytest

from fulfillment_conformance.product import LONGEST, Product, load_product
from fulfillment_conformance.target import load_target
from fulfillment_conformance.yamlfile import YamlProblem

WHOLE = """\
publisher: Contoso Ltd.
offer: contoso-crm
version: "3.2.1"
contact: desk@contoso.example
"""
PRODUCT = Product(publisher="Contoso Ltd.", offer="contoso-crm", version="3.2.1", contact="desk@contoso.example")


def written(folder: Path, text: str) -> Path:
    file = folder / "product.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_has_four_keys(tmp_path: Path) -> None:
    assert load_product(written(tmp_path, WHOLE)) == PRODUCT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WHOLE.replace("offer:", "ofer:"), "2: ofer: unknown key; did you mean 'offer'?"),
        (WHOLE.replace("contact: desk@contoso.example\n", ""), "contact: missing; expected whom to ask about it"),
        (WHOLE.replace('"3.2.1"', "3.2"), "3: version: expected text, got the number 3.2; put it in quotes"),
        (WHOLE.replace("Contoso Ltd.", '""'), "1: publisher: must not be empty"),
        (WHOLE.replace("Contoso Ltd.", "x" * (LONGEST + 1)), f"expected at most {LONGEST} characters"),
        (WHOLE.replace("Contoso Ltd.", '"Contoso\\nVerdict: fine"'), "1: publisher: got 'Contoso"),
        ("", "is empty; expected a mapping"),
    ],
    ids=["unknown", "missing", "number", "empty", "long", "two lines", "nothing"],
)
def test_what_is_wrong_is_named_by_file_and_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(YamlProblem) as raised:
        load_product(written(tmp_path, text))

    assert said in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "product.yaml"))


@pytest.mark.parametrize(
    "target",
    [
        "role: publisher\npublisher: {embedded: true}\n",
        "role: marketplace\nmarketplace: {driver: embedded}\n",
    ],
    ids=["publisher", "marketplace"],
)
def test_a_target_file_may_say_it_too(target: str, tmp_path: Path) -> None:
    below = "product:\n" + "".join(f"  {line}\n" for line in WHOLE.splitlines())

    assert load_target(written(tmp_path, target), {}).product is None
    assert load_target(written(tmp_path, target + below), {}).product == PRODUCT
