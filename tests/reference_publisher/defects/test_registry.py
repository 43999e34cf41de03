import re
from collections.abc import Iterator

import pytest

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.reference_publisher import ReferencePublisher, Settings
from fulfillment_conformance.reference_publisher.defects import registered
from fulfillment_conformance.reference_publisher.defects.registry import (
    UnknownDefect,
    _registered,
    defect,
    named,
    replace,
)
from fulfillment_conformance.resources import folder
from fulfillment_conformance.target import Claims

NAMES = sorted(registered())


@pytest.fixture
def registry() -> Iterator[None]:
    before = dict(_registered)
    yield
    _registered.clear()
    _registered.update(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_defect_is_named_described_and_applied_to_a_fresh_publisher(settings: Settings, name: str) -> None:
    found = named(name)

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert found.description.endswith(".")
    assert found.breaks == tuple(sorted(set(found.breaks)))
    assert ReferencePublisher(settings, defects=[name]).app


def test_defects_break_publishers_requirements_that_are_in_the_catalogue() -> None:
    catalogue = Catalogue.load(folder("catalogue"))
    claimed = {requirement for found in registered().values() for requirement in found.breaks}

    assert claimed
    assert all(catalogue[requirement].party == "publisher" for requirement in claimed)


def test_there_are_enough_to_test_a_suite_with() -> None:
    assert len(NAMES) >= 40


def test_what_a_defective_publisher_says_about_itself_is_said_in_the_words_of_a_target_file() -> None:
    assert any(found.claims for found in registered().values())
    for found in registered().values():
        Claims.model_validate(dict(found.claims))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownDefect, match="no defect 'ignore-audience'; the nearest is 'ignores-the-audience'"):
        named("ignore-audience")


@pytest.mark.usefixtures("registry")
def test_two_defects_cannot_share_a_name() -> None:
    @defect("a-new-one", breaks=["WHK-018"])
    def first(publisher: ReferencePublisher) -> None:
        """Is wrong."""

    assert named("a-new-one").apply is first
    with pytest.raises(ValueError, match="two defects are called 'a-new-one'"):
        defect("a-new-one", breaks=[])(first)


def test_a_seam_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(AttributeError):
        replace(object(), "no_such_method", None)
