import pytest

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.suite_index import SuiteTest, read_suites, tests_by_requirement


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture(scope="session")
def tested(catalogue: Catalogue) -> dict[str, list[SuiteTest]]:
    """The requirements that a test decides: id -> tests. What the catalogue excludes is not among them."""
    index = tests_by_requirement(read_suites())
    return {requirement_id: tests for requirement_id, tests in index.items() if not catalogue[requirement_id].excluded}
