from fulfillment_conformance.marketplace import UNSET, Caller, Unset


def test_unset_is_neither_null_nor_any_other_value() -> None:
    assert UNSET is Unset.UNSET
    others: tuple[object, ...] = (None, "", 0, False)
    assert UNSET not in others


def test_callers_differ_by_publisher_tenant_and_application() -> None:
    caller = Caller("contoso", "tenant", "app")

    assert caller == Caller("contoso", "tenant", "app")
    assert caller not in (Caller("x", "tenant", "app"), Caller("contoso", "x", "app"), Caller("contoso", "tenant", "x"))
