"""Where the data that travels with the package lies: `openapi/`, `catalogue/` and `suites/`.

In a checkout they are top-level folders; in an installed wheel they sit inside the package. The checkout wins, because
an editable install keeps only a snapshot of them.
"""

from pathlib import Path

from fulfillment_conformance.errors import UsageProblem

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]
_INSTALLED_AS = {"openapi": "openapi", "catalogue": "catalogue_data", "suites": "suites"}


def folder(name: str) -> Path:
    """Return the folder `openapi`, `catalogue` or `suites`.

    Raises:
        UsageProblem: the installation lacks the folder; reinstalling the package restores it.
    """
    in_checkout = _CHECKOUT / name
    if (_CHECKOUT / "pyproject.toml").is_file() and in_checkout.is_dir():
        return in_checkout
    installed = _PACKAGE / _INSTALLED_AS[name]
    if not installed.is_dir():
        raise UsageProblem(f"{installed} is missing from this installation; reinstall fulfillment-conformance")
    return installed
