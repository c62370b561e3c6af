"""From events to bars: what a run did, and how it is drawn."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from api.pages.formats import Viewer
from api.pages.minimap import Minimap
from api.pages.spans import Kind, Span, SpanReader
from api.pages.tries import joined
from api.pages.waterfall import Look, Row, Waterfall, draw, row_id, worked_and_waited
from tests.api.runs_made_up import RUN, Story, at, record
from windlass.contracts.events import EventKind


def root_of(story: Story, agent: str = "ledger/audit") -> Span:
    """The run of a story as a span."""
    reader = SpanReader(agent)
    reader.feed(story.events)
    root = reader.root()
    assert root is not None
    return root


def drawn(story: Story, seconds: float = 100, **look: Any) -> Waterfall:
    """The story as a waterfall at a moment."""
    return draw(root_of(story), Viewer(at(seconds)), Look(**look))


def row(fall: Waterfall, name: str) -> Row:
    """The row of that name."""
    return next(each for each in fall.rows if each.name == name)


def test_a_finished_step_is_kept_and_carries_a_tooth():
    fall = drawn(Story().step("collect", 1, 19).end(20, "finished"))

    assert (row(fall, "collect").state, row(fall, "collect").took.text) == ("finished", "18.0s")
    assert row(fall, "collect").tooth is not None
    assert "kept" in row(fall, "collect").text


def test_a_live_step_grows_and_says_since_when():
    fall = drawn(Story().step("collect", 1))

    (bar,) = row(fall, "collect").bars
    assert bar.grows
    assert row(fall, "collect").took.since_ms == round(at(1).timestamp() * 1000)
    assert fall.now is not None


def test_a_second_later_no_row_has_changed():
    story = Story().step("collect", 1, 4).step("match", 5)

    assert drawn(story, 10).rows == drawn(story, 11).rows
    assert drawn(story, 10).axis == drawn(story, 11).axis


def test_a_failed_step_says_why_beside_its_bar():
    fall = drawn(Story().step("post", 1, 5, error={"type": "HTTPError", "message": "503\nmore"}).end(20, "failed"))

    word = row(fall, "post").word
    assert word is not None
    assert word.text == "HTTPError: 503"
    assert row(fall, "post").tooth is None


def test_a_step_that_was_interrupted_shows_both_executions():
    story = Story().step("read", 1)
    story.tell(9, EventKind.STEP, key="read", name="read", state="repeated", started_at=at(9).isoformat())
    story.tell(12, EventKind.STEP, key="read", name="read", state="done", ms=3000)

    root = root_of(story)

    (step,) = root.children
    assert [each.state for each in step.children] == ["lost", "finished"]
    assert step.children[0].cause == "interrupted, runs again"
    assert (step.note, step.kept, step.executions) == ("repeated", True, 2)


def test_many_steps_of_one_name_are_one_row_until_it_is_opened():
    story = Story()
    for number in range(42):
        story.step("lookup", 1 + number, 1.5 + number, key=f"lookup {number}")

    closed = drawn(story)
    opened = drawn(story, opened=frozenset({row(closed, "lookup").id}))

    assert row(closed, "lookup").note == "\u00d7 42"
    assert row(closed, "lookup").slivers.count("M") == 42
    assert (len(closed.rows), len(opened.rows)) == (2, 44)


def test_long_quiet_time_folds_and_can_be_drawn_out():
    story = Story().step("work", 1, 30).step("sleep", 30, 3630, until=at(3630).isoformat()).step("more", 3630, 3660)
    story.end(3661, "finished")

    folded, straight = drawn(story, 3700), drawn(story, 3700, fold=False)

    assert (len(folded.bands), len(straight.bands)) == (1, 0)
    assert folded.can_fold
    assert row(folded, "more").bars[0].width > 20 > row(straight, "more").bars[0].width


def test_worked_and_waited_are_parted():
    story = Story().step("work", 0.1, 30).step("sleep", 30, 90, until=at(90).isoformat()).end(100, "finished")

    worked, waited = worked_and_waited(root_of(story), at(500))

    assert (round(worked), round(waited)) == (40, 60)


def test_usage_makes_a_step_a_model_step_with_its_cost():
    story = Story().tell(2, EventKind.USAGE, step="explain", cost_usd="0.37").step("explain", 1, 4)

    fall = drawn(story)

    assert (row(fall, "explain").kind, row(fall, "explain").cost) == (Kind.MODEL, "$0.37")
    assert fall.rows[0].cost == "$0.37"


def test_an_answer_that_failed_says_why_where_it_broke():
    root = root_of(
        Story().tell(5, EventKind.ERROR, type="BadRequest", message="No such model.").end(5, "failed"), "claude"
    )

    (answer,) = root.children
    assert (answer.state, answer.cause, answer.ended_at) == ("failed", "BadRequest: No such model.", at(5))


def test_an_answer_of_claude_is_open_until_its_message():
    story = Story()
    live = root_of(story, "claude")
    story.tell(5, EventKind.MESSAGE, role="assistant", model="claude-sonnet-5-5", item="a", text="Because.")

    (going,), (said,) = live.children, root_of(story, "claude").children

    assert (going.is_open, said.is_open) == (True, False)
    assert (said.kind, said.note, said.started_at) == (Kind.MODEL, "sonnet-5-5", at(0.1))


def test_what_had_no_end_stops_with_the_run():
    assert root_of(Story().step("read", 1).end(5, "cancelled")).children[0].state == "cancelled"
    assert root_of(Story().step("read", 1).end(5, "finished")).children[0].state == "lost"


def test_kept_steps_of_an_earlier_try_do_not_run_again():
    reader = SpanReader("ledger/audit")
    reader.take_over([record("collect", kept_from=RUN), record("match")])
    reader.feed(Story().step("post", 1, 2).events)
    root = reader.root()
    assert root is not None

    fall = draw(root, Viewer(at(3)), Look())

    assert [each.name for each in fall.rows] == ["ledger/audit", "collect", "post"]
    assert row(fall, "collect").took.text == "kept"
    assert row(fall, "collect").bars[0].look.endswith("taken")


def test_tries_share_an_axis_and_mark_what_was_taken_over():
    first = root_of(Story().step("collect", 1, 5).step("post", 6, 7, error={"type": "E"}).end(8, "failed"))
    again = SpanReader("ledger/audit")
    again.take_over([record("collect", kept_from=RUN)])
    later = Story().step("post", 1, 3).end(4, "finished")
    later.events = [replace(event, at=event.at + timedelta(hours=1)) for event in later.events]
    again.feed(later.events)
    second = again.root()
    assert second is not None

    both = joined([first, second])

    assert [(each.name, each.note) for each in both.children] == [("collect", ""), ("post", ""), ("post", "try 2")]
    assert both.children[0].again_at == (second.started_at,)
    assert len(draw(both, Viewer(at(4000)), Look()).bands) == 1


def long_story(steps: int, **last: Any) -> Story:
    """Many steps of different names, one after the other."""
    story = Story()
    for number in range(steps):
        story.step(f"step {number}", number, number + 0.5, **(last if number == steps - 1 else {}))
    return story


def window(story: Story, first: str = "") -> tuple[list[str], Minimap]:
    """The rows that are drawn inside the run, and the map over all."""
    fall = drawn(story, 300, first=first)
    assert fall.map is not None
    return [each.name for each in fall.rows[1:]], fall.map


def test_of_too_many_rows_the_newest_are_drawn_and_the_map_shows_all():
    names, overview = window(long_story(250, error={"type": "E", "message": "x"}))

    assert (len(names), names[0], names[-1]) == (199, "step 51", "step 249")
    assert (overview.text, overview.later) == ("Rows 52 to 250 of 250", None)
    assert overview.y + overview.height == 40
    assert [shade.fill for shade in overview.shades] == ["k-step", "bad"]
    assert overview.shades[0].path.count("M") >= 40
    assert len(overview.shades[0].path) < 3000


def test_every_row_is_reached_from_the_map_and_over_its_edges():
    story = long_story(450)
    _, overview = window(story)

    assert [window(story, band.first)[1].text for band in overview.bands] == [
        "Rows 1 to 199 of 450",
        "Rows 151 to 349 of 450",
        "Rows 252 to 450 of 450",
    ]
    assert overview.earlier is not None
    earlier = window(story, overview.earlier)[1]
    assert (earlier.text, earlier.later) == ("Rows 152 to 350 of 450", "")
    first = window(story, row_id("step 0"))[1]
    assert (first.earlier, first.later) == (None, row_id("step 100"))
    assert window(story, "gone")[1].text == overview.text


def test_what_fits_has_no_map():
    assert drawn(long_story(199), 300).map is None


def test_a_row_is_named_so_that_it_fits_an_address():
    assert row_id("a key / with & anything").isalnum()
    assert row_id("a") != row_id("b")
