"""The marker that ties a test to the requirements it decides.

    @requirement("ACT-009")
    def test_activating_with_a_plan_that_was_not_bought_is_refused(...): ...

Ids are string literals, so that `suite_index` can read them without running anything.
"""

import pytest


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Mark a test as deciding these requirements; each must be decided by a check in its body."""
    return pytest.mark.requirement(*ids)
