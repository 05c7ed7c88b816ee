# SPDX-License-Identifier: Apache-2.0
"""The rules of a single wait."""

from __future__ import annotations

import pytest

from airflow_provider_workflows.api.looking import jittered


@pytest.mark.parametrize(("drawn", "seconds"), [(0.0, 9.0), (0.5, 10.0), (1.0, 11.0)])
def test_jitter_is_a_tenth_either_way(drawn: float, seconds: float) -> None:
    """A look of a wait in a worker comes a little early or late, and on average in time."""
    assert jittered(10.0, lambda: drawn) == pytest.approx(seconds)
