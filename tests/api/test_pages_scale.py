"""The time axis: order is kept, quiet stretches fold, ticks stay readable."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from api.pages.scale import (
    BAND,
    Scale,
    Stretch,
    choose_folds,
    ended_scale,
    live_scale,
    merged,
    quiet_stretches,
    ticks,
    window,
)  # fmt: skip

times = st.floats(0, 100_000, allow_nan=False)
stretches = st.tuples(times, times).map(lambda pair: Stretch(min(pair), max(pair)))


def test_quiet_is_when_something_waits_and_nothing_works():
    waits, works = [Stretch(10, 100), Stretch(200, 300)], [Stretch(0, 20), Stretch(90, 250)]

    assert quiet_stretches(waits, works) == (Stretch(20, 90), Stretch(250, 300))


def test_a_stretch_folds_over_a_minute_and_over_a_tenth():
    assert choose_folds([Stretch(0, 59)], 100) == ()
    assert choose_folds([Stretch(0, 90)], 10_000) == ()
    assert len(choose_folds([Stretch(100, 600)], 800)) == 1


def test_both_sides_of_a_fold_keep_one_scale():
    scale = Scale(0, 700, (Stretch(100, 600),))

    assert abs((scale.x(50) - scale.x(0)) - (scale.x(700) - scale.x(650))) < 1e-9
    assert round(scale.x(600) - scale.x(100), 6) == BAND


@given(st.lists(stretches, max_size=8), st.lists(times, min_size=2, max_size=20))
def test_later_is_never_further_left(quiet: list[Stretch], moments: list[float]):
    scale = ended_scale(100_000, merged(quiet))

    places = [scale.x(moment) for moment in sorted(moments)]

    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)


@given(st.lists(stretches, max_size=6), st.floats(0.001, 100_000))
def test_now_is_always_on_a_live_axis(quiet: list[Stretch], now: float):
    cut = [Stretch(min(each.start, now), min(each.end, now)) for each in merged(quiet)]

    scale = live_scale(now, [each for each in cut if each.length > 0])

    assert 0 < scale.x(now) < 97


def test_a_live_axis_grows_in_jumps_so_that_bars_seldom_move():
    axes = {live_scale(second, ()).end for second in range(10, 600)}

    assert len(axes) < 25


@given(st.floats(0.01, 1_000_000))
def test_ticks_never_touch(total: float):
    places = [tick.x for tick in ticks(ended_scale(total, ()))]

    assert all(right - left >= 7 for left, right in pairwise(places))
    assert 2 <= len(places) <= 14


def test_a_window_shows_its_part_and_cuts_the_folds():
    scale = window(Scale(0, 700, (Stretch(100, 600),)), 500, 700)

    assert (scale.start, scale.end, scale.folds) == (500, 700, (Stretch(500, 600),))
    assert window(scale, 650, 650) == scale


@given(st.lists(stretches, max_size=6), st.floats(1, 100_000), st.floats(0, 1))
def test_a_place_leads_back_to_its_moment(quiet: list[Stretch], total: float, share: float):
    waits = [Stretch(min(each.start, total), min(each.end, total)) for each in quiet]
    scale = ended_scale(total, quiet_stretches(waits, []))
    moment = scale.end * share

    assert abs(scale.at(scale.x(moment)) - moment) <= 1e-6 * total + 1e-6
