"""Every element of a form: its keys, what it accepts, what it refuses, how it is drawn."""

from typing import Any

import jsonschema_rs
import pytest

from windlass import forms
from windlass.forms import (
    Checkbox,
    Element,
    Group,
    InputColor,
    InputDate,
    InputDateTime,
    InputEmail,
    InputFiles,
    InputHidden,
    InputMonth,
    InputNumber,
    InputOption,
    InputPassword,
    InputRadio,
    InputRange,
    InputText,
    InputTime,
    InputUrl,
    InputWeek,
    Model,
    Select,
    json_schema,
    validate,
)

LINE = "type name label value required placeholder size pattern min_length max_length"
CHOICES = [InputOption("r", "Red"), InputOption("g", "Green", value=True)]


@pytest.mark.parametrize(
    ("element", "keys"),
    [
        (forms.HTML("<b>x</b>"), "type text"),
        (forms.Break(), "type text"),
        (forms.HR(), "type text"),
        (forms.DisplayInfo("x", "y"), "type text label"),
        (forms.Action("a", "1", "Go"), "type name value text"),
        (InputPassword("a"), LINE),
        (InputEmail("a"), LINE),
        (InputUrl("a"), LINE),
        (forms.InputTel("a"), LINE),
        (forms.InputSearch("a"), LINE),
        (InputDate("a"), "type name label value required placeholder min_date max_date"),
        (InputTime("a"), "type name label value required placeholder min_time max_time step"),
        (InputDateTime("a"), "type name label value required placeholder min_datetime max_datetime step"),
        (InputMonth("a"), "type name label value required min_month max_month"),
        (InputWeek("a"), "type name label value required min_week max_week"),
        (InputColor("a"), "type name label value required"),
        (InputRange("a"), "type name label value required min_value max_value step"),
        (InputHidden("a", 1), "type name value"),
        (InputRadio("a", CHOICES), "type name label value required option"),
        (InputFiles("a"), "type name label value required multiple directory"),
        (Group("a"), "type name label min_items max_items elements"),
        (InputText("a", visible_if={"b": 1}), "type name label value required placeholder size pattern visible_if"),
    ],
)
def test_each_element_has_exactly_its_keys_in_their_order(element: Element, keys: str):
    assert list(element.to_dict()) == keys.split()


ACCEPTED: list[tuple[Element, Any, Any]] = [
    (InputEmail("a"), "ada@example.org", "ada@example.org"),
    (InputEmail("a"), "", ""),
    (InputUrl("a"), "https://example.org/a?b#c", "https://example.org/a?b#c"),
    (InputPassword("a", min_length=3), "abc", "abc"),
    (InputDate("a", min_date="2026-01-01", max_date="2026-12-31"), "2026-01-01", "2026-01-01"),
    (InputDate("a"), "", None),
    (InputTime("a", min_time="09:00", step=900), "09:45", "09:45"),
    (InputDateTime("a"), "2026-01-31T09:30", "2026-01-31T09:30"),
    (InputMonth("a", max_month="2026-02"), "2026-02", "2026-02"),
    (InputWeek("a"), "2026-W53", "2026-W53"),
    (InputColor("a"), "#AbCdEf", "#abcdef"),
    (InputColor("a"), "", None),
    (InputRange("a"), "5", 5.0),
    (InputRadio("a", CHOICES), "r", "r"),
    (InputHidden("a", 7), None, 7),
    (InputHidden("a", 7), 7, 7),
    (InputHidden("a", 7), "8", "8"),
    (InputFiles("a", multiple=True), ["b", "a", "b"], ["a", "b"]),
    (InputFiles("a"), "x.txt", ["x.txt"]),
    (InputFiles("a"), "https://example.org/x.txt", "https://example.org/x.txt"),
    (
        Group("a", [InputNumber("n"), Checkbox("b")]),
        [{"n": "1", "b": "on"}, {}],
        [{"n": 1, "b": True}, {"n": None, "b": False}],
    ),
    (Group("a", []), None, []),
]
REFUSED: list[tuple[Element, Any, str]] = [
    (InputEmail("a"), "ada", "must be an e-mail address"),
    (InputEmail("a"), "ada@localhost", "must be an e-mail address"),
    (InputUrl("a"), "javascript:alert(1)", "must be a URL"),
    (InputUrl("a"), "ftp://example.org", "must be a URL"),
    (InputPassword("a", min_length=3), "ab", "must have at least 3 characters"),
    (InputDate("a"), "2026-02-30", "must be a date"),
    (InputDate("a"), "20260201", "must be a date"),
    (InputDate("a"), 20260201, "must be a date"),
    (InputDate("a", min_date="2026-01-01"), "2025-12-31", "must not be before 2026-01-01"),
    (InputDate("a", max_date="2026-01-01"), "2026-01-02", "must not be after 2026-01-01"),
    (InputDate("a", required=True), "", "is required"),
    (InputTime("a"), "24:00", "must be a time"),
    (InputTime("a", step=900), "09:50", "must be in steps of 900 seconds"),
    (InputDateTime("a"), "2026-01-31 09:30", "must be a date and time"),
    (InputMonth("a"), "2026-13", "must be a month"),
    (InputWeek("a"), "2025-W53", "must be a week"),
    (InputColor("a"), "red", "must be a colour"),
    (InputRange("a"), 101, "must be at most 100"),
    (InputRange("a", min_value=5), 4, "must be at least 5"),
    (InputRadio("a", CHOICES), "b", "must be one of: r, g"),
    (InputHidden("a", 7), 8, "must be text"),
    (InputFiles("a"), ["a", "b"], "only one file is allowed"),
    (InputFiles("a"), {"batchId": "x"}, "upload is unknown or incomplete"),
    (Group("a", [], min_items=1), [], "is required"),
    (Group("a", [], min_items=2), [{}], "must have at least 2 entries"),
    (Group("a", [], max_items=1), [{}, {}], "must have at most 1 entries"),
    (Group("a", []), "x", "must be a list of entries"),
    (Group("a", []), ["x"], "must be a list of entries"),
]


@pytest.mark.parametrize(("element", "sent", "value"), ACCEPTED)
def test_what_is_accepted_and_what_becomes_of_it(element: Element, sent: Any, value: Any):
    assert validate([element.to_dict()], {"a": sent}) == ({"a": value}, {})


@pytest.mark.parametrize(("element", "sent", "message"), REFUSED)
def test_what_is_refused_and_with_which_words(element: Element, sent: Any, message: str):
    _, errors = validate([element.to_dict()], {"a": sent})

    assert errors == {"a": [message]}


@pytest.mark.parametrize(("element", "sent", "value"), ACCEPTED)
def test_the_json_schema_allows_what_the_form_gives_to_handlers(element: Element, sent: Any, value: Any):
    assert jsonschema_rs.is_valid(json_schema([element.to_dict()]), {"a": value})


def test_an_entry_of_a_group_has_its_messages_under_its_place():
    group = Group("people", [InputText("name", required=True), InputNumber("age", min_value=0)])

    _, errors = validate([group.to_dict()], {"people": [{"name": "Ada"}, {"age": -1}]})

    assert errors == {"people.1.name": ["is required"], "people.1.age": ["must be at least 0"]}


CONDITIONAL = Model(
    Checkbox("ship"),
    Select("how", [InputOption("post"), InputOption("van")], visible_if={"ship": True}),
    InputText("address", required=True, visible_if={"how": ["post", "van"]}),
    InputText("reason", required=True, visible_if={"ship": False}),
).get_model()


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({}, {"reason": ["is required"]}),
        ({"ship": True}, {}),
        ({"ship": True, "how": "van"}, {"address": ["is required"]}),
        ({"how": "van", "reason": "none"}, {}),
        ({"ship": True, "how": "van", "address": "here"}, {}),
    ],
)
def test_a_field_is_asked_only_while_its_condition_is_met(sent: dict[str, Any], errors: dict[str, list[str]]):
    assert validate(CONDITIONAL, sent)[1] == errors
    assert jsonschema_rs.is_valid(json_schema(CONDITIONAL), sent) is (not errors)


def test_what_is_sent_for_a_field_that_is_not_asked_is_dropped():
    values, errors = validate(CONDITIONAL, {"how": "van", "address": 5, "reason": "none"})

    assert (values, errors) == ({"ship": False, "how": None, "address": None, "reason": "none"}, {})


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ([InputText("a", visible_if={"b": 1})], "visible by b, which the form lacks"),
        ([InputText("a", visible_if={"b": 1}), InputText("b", visible_if={"a": 1})], "wait for each other"),
        ([Group("g", [Group("h")])], "groups do not nest"),
        ([Group("g", [InputText("x"), InputText("x")])], "same name: x"),
        ([Group("g", [InputText(f"f{n}") for n in range(200)])], "at most 200 elements"),
    ],
)
def test_a_form_that_cannot_be_filled_in_is_refused_when_it_is_made(elements: list[Element], reason: str):
    with pytest.raises(ValueError, match=reason):
        Model(*elements)


def test_a_form_is_drawn_as_it_always_was():
    form = Model(
        forms.Markdown("# Trivial"),
        forms.Errors(),
        InputText("name", label="Name", value="x", required=True),
        forms.Submit("GO"),
        forms.Cancel("Back"),
    )

    drawn = form.render()

    assert '<h1 id="trivial">Trivial</h1>' in drawn
    assert '<legend class="inputs-label">Name</legend><input type="text" name="name" required value="x">' in drawn
    assert '<button type="submit">GO</button>' in drawn


EVIL = '"><script>alert(1)</script>'


@pytest.mark.parametrize(
    "element",
    [
        InputText("a", label=EVIL, value=EVIL, placeholder=EVIL, error=EVIL),
        forms.InputArea("a", label=EVIL, value=EVIL),
        Checkbox("a", option=EVIL, label=EVIL),
        Select("a", [InputOption(EVIL, EVIL)], label=EVIL),
        InputRadio("a", [InputOption(EVIL, EVIL)], label=EVIL),
        InputHidden("a", EVIL),
        Group("a", [InputText(EVIL)], label=EVIL),
        forms.Action(EVIL, EVIL, EVIL),
        forms.Markdown(EVIL),
        forms.DisplayInfo(EVIL, EVIL),
        forms.Submit(EVIL),
    ],
)
def test_everything_but_html_is_escaped(element: Element):
    assert "<script" not in element.render()


def test_a_form_is_filled_again_after_an_error_and_shows_what_is_wrong():
    form = Model.model_validate(
        Model(forms.Errors(), InputText("a"), Checkbox("b", value=True)).get_model(),
        errors={"a": ["is odd"], "_global_": ["no <way>"]},
    )

    form.set_data({"a": "typed"})
    drawn = form.render()

    assert 'value="typed"' in drawn
    assert '<span class="error">is odd</span>' in drawn
    assert "no &lt;way&gt;" in drawn
    assert "checked" not in drawn
