"""The two descriptions as plain documents."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.resources import folder

FILES = ("fulfillment-v2.yaml", "sandbox-control.yaml")


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((folder("openapi") / name).read_text("utf-8"))
    return document


@pytest.fixture(scope="session", params=FILES)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each of the two in turn."""
    return load(request.param)


@pytest.fixture(scope="session")
def fulfillment() -> dict[str, Any]:
    return load(FILES[0])


@pytest.fixture(scope="session")
def control() -> dict[str, Any]:
    return load(FILES[1])


@pytest.fixture(scope="session")
def operations(fulfillment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations of the Fulfillment API by operationId."""
    return {
        definition["operationId"]: {**definition, "path": path, "method": method}
        for path, item in fulfillment["paths"].items()
        for method, definition in item.items()
        if method != "parameters"
    }


def responses(document: dict[str, Any], group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every response below `paths` or `webhooks`, with a name for messages."""
    for path, item in document[group].items():
        for method, definition in item.items():
            if method != "parameters":
                for status, response in definition["responses"].items():
                    yield f"{method} {path} {status}", response


@pytest.fixture(scope="session")
def requirement_ids() -> frozenset[str]:
    """The ids of the catalogue, without those that were merged into others."""
    return frozenset(Catalogue.load())
