"""Charts of text: fixed axes, equal columns, gaps that are seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.reports.charts import GAP, bar, chart, columns, marks

VALUES = st.lists(st.none() | st.floats(0.0, 1.0), max_size=300)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "▁"), (0.49, "▄"), (0.5, "▅"), (1.0, "█"), (7.0, "█"), (-1.0, "▁"), (None, GAP)]
)
def test_a_bar_is_a_place_on_a_fixed_axis(value: float | None, shown: str) -> None:
    assert bar(value, 1.0) == shown


def test_a_flat_series_at_the_top_looks_as_bad_as_it_is() -> None:
    """The axis is not stretched to the values: all failing is a full line, none failing an empty one."""
    assert chart([1.0] * 5, 1.0) == "█████"
    assert chart([0.0] * 5, 1.0) == "▁▁▁▁▁"


@given(VALUES, st.integers(1, 80))
def test_columns_keep_length_and_bounds(values: list[float | None], width: int) -> None:
    means = columns(values, width)
    known = [value for value in values if value is not None]
    assert len(means) == min(width, len(values))
    for mean in means:
        assert mean is None or min(known) - 1e-9 <= mean <= max(known) + 1e-9
    assert (not any(mean is not None for mean in means)) == (known == [])


@given(st.lists(st.sampled_from([True, False, None]), max_size=300), st.integers(1, 80))
def test_no_miss_is_lost_however_narrow_the_line(missed: list[bool | None], width: int) -> None:
    line = marks(missed, width)
    assert len(line) == min(width, len(missed))
    assert ("x" in line) == (True in missed)
    assert set(line) <= {"x", " ", GAP}


def test_marks_tell_a_miss_from_no_data_and_from_success() -> None:
    assert marks([None, None, False, False, True, False], 3) == f"{GAP} x"
