from tests.commands import call

from fulfillment_conformance.catalogue import Catalogue


def test_a_requirement_is_followed_to_its_row_its_test_and_the_deviation_that_proves_it() -> None:
    said = call("explain", "ACT-014")
    row = Catalogue.load()["ACT-014"]

    assert said.code == 0
    assert row.statement in said.out
    assert f"catalogue/activate.yaml:{row.line}" in said.out
    assert "suites/marketplace/test_activate.py:" in said.out
    assert "test_a_cancelled_subscription_is_not_activated" in said.out
    assert "activate-takes-cancelled-subscriptions" in said.out
    assert "--only ACT-014" in said.out


def test_a_publishers_requirement_names_its_defects() -> None:
    said = call("explain", "WHK-018")

    assert "defect    " in said.out
    assert "accepts-unsigned-tokens" in said.out


def test_an_excluded_requirement_says_why_and_offers_no_test() -> None:
    said = call("explain", "POL-001")

    assert "excluded" in said.out
    assert "suites/" not in said.out
    assert "--only" not in said.out


def test_several_requirements_follow_each_other() -> None:
    said = call("explain", "ACT-014", "POL-001")

    assert said.out.index("ACT-014") < said.out.index("POL-001")


def test_an_unknown_id_names_the_nearest() -> None:
    said = call("explain", "WHK-999")

    assert said.code == 4
    assert "did you mean" in said.err
    assert said.out == ""
