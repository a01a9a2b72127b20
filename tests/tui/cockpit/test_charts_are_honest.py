"""Charts: fixed axes, the objective's line, and no healthy look for what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.model.units import format_clock
from drillbox.tui.cockpit import words
from drillbox.tui.widgets.chart import Axis, Curve, Plot, Points, render_plot, render_spark


def plot(points: Points, **more: object) -> Plot:
    made = {
        "axis": Axis(1.0),
        "start": 0.0,
        "end": 600.0,
        "curves": (Curve("errors", points),),
        "write": words.share,
        "write_time": format_clock,
        "limit": 0.25,
        "limit_text": "objective: at most 25%",
    }
    return Plot(**(made | more))  # type: ignore[arg-type]  # options vary


def lines(points: Points, width: int = 60, height: int = 12, **more: object) -> list[str]:
    return render_plot(plot(points, **more), width, height).plain.split("\n")


STEADY = [(5.0 * number, 0.5) for number in range(61)]


def test_the_axis_is_the_same_whatever_the_values_are() -> None:
    for value in (0.0, 0.5, 1.0):
        drawn = lines([(at, value) for at, _ in STEADY])
        assert drawn[0].lstrip().startswith("100%┤")
        assert drawn[9].lstrip().startswith("0%┤")
        assert drawn[10].split() == ["└00:00", "02:30", "05:00", "07:30", "10:00"] or "└00:00" in drawn[10]


def test_the_objective_has_a_line_its_number_and_words() -> None:
    (line,) = (one for one in lines(STEADY) if "╌" in one)
    assert line.lstrip().startswith("25%┤")
    assert "objective: at most 25%" in line


def test_the_words_move_where_a_curve_is_in_the_way() -> None:
    crossing = [(at, 0.25 if at > 300 else 0.9) for at in (5.0 * number for number in range(121))]
    (line,) = (one for one in lines(crossing, width=90) if "╌" in one)
    assert line.index("objective") < 45


def test_what_is_beyond_the_axis_says_so() -> None:
    drawn = lines([(at, 7.0) for at, _ in STEADY])
    assert "▲▲▲" in drawn[0]
    assert "▲" not in "".join(lines(STEADY))


def test_a_gap_in_the_data_is_a_gap_in_the_curve() -> None:
    points = [(at, value if not 100 < at < 250 else None) for at, value in STEADY]
    (row,) = (one for one in lines(points, limit=None) if any("⠁" <= char <= "⣿" for char in one))
    begin, end = row.index("┤") + 1 if "┤" in row else row.index("│") + 1, len(row)
    assert "  " in row[begin:end].rstrip()


def test_marks_stand_at_their_time() -> None:
    marks = ((0.0, "±", ""), (300.0, "●", ""), (599.0, "▲", ""), (700.0, "X", ""))
    last = lines(STEADY, marks=marks)[-1]
    inner = len(last) - last.index("±")
    assert "X" not in last
    assert (last.index("●") - last.index("±")) == pytest.approx(inner / 2, abs=1)


def test_curves_are_told_apart_by_their_names_at_their_ends() -> None:
    curves = (Curve("p95", [(at, 0.8) for at, _ in STEADY]), Curve("p50", [(at, 0.79) for at, _ in STEADY]), Curve("p99", []))
    drawn = lines([], curves=curves)
    (line,) = (one for one in drawn if "p95" in one)
    assert line.rstrip().endswith("p95 p50")
    assert not any("p99" in line for line in drawn)


def test_small_shares_are_seen_on_a_root_axis() -> None:
    linear, root = Axis(1.0), Axis(1.0, root=True)
    assert root.share(0.01) == pytest.approx(0.1)
    assert root.value(root.share(0.3)) == pytest.approx(0.3)
    assert linear.share(0.01) == pytest.approx(0.01)


def test_a_spark_tells_no_data_from_zero_and_from_too_much() -> None:
    points = [(0.0, 0.0), (10.0, 1.0), (20.0, 5.0)]
    assert render_spark(points, Axis(1.0), 0.0, 60.0, 6, "").plain == "▁█▲···"
    assert render_spark([], Axis(1.0), 0.0, 60.0, 4, "").plain == "····"


@given(
    values=st.lists(st.one_of(st.none(), st.floats(-10, 10)), max_size=50),
    width=st.integers(1, 150),
    height=st.integers(1, 40),
    limit=st.one_of(st.none(), st.floats(-1, 2)),
)
def test_any_plot_fits_its_place(values: list[float | None], width: int, height: int, limit: float | None) -> None:
    points = [(5.0 * number, value) for number, value in enumerate(values)]
    drawn = lines(points, width, height, limit=limit)
    assert len(drawn) == max(4, height)
    assert len({len(one) for one in drawn}) == 1
    assert len(drawn[0]) <= max(width, len(drawn[0].split("┤")[0]) + 5)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "no data"), (1.0, "100%"), (0.99999, "99.9%"), (0.00001, "<0.1%"), (0.0, "0%"), (0.7037, "70.4%"), (-0.5, "-50%")],
)
def test_shares_are_not_rounded_to_what_they_are_not(value: float | None, text: str) -> None:
    assert words.share(value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency_p95", 0.128, "128ms"),
        ("latency_p95", 1.44, "1.4s"),
        ("request_rate", 122.2, "122/s"),
        ("cost_rate", 2.4, "$2.40/h"),
        ("feature_freshness", 7500.0, "2h05m"),
        ("model_age", 219600.0, "2d13h"),
        ("queue_length", 12345.0, "12,345"),
        ("quality_brier", 0.10333, "0.103"),
        ("saturation", None, "no data"),
        ("made_up", 1.5, "1.5"),
    ],
)
def test_every_number_has_its_unit(name: str, value: float | None, text: str) -> None:
    assert words.sli(name, value) == text
