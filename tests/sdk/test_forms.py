"""A form is checked on the server by the elements that are stored, with the same words everywhere."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.forms import (
    Cancel,
    Checkbox,
    Element,
    Errors,
    InputArea,
    InputNumber,
    InputOption,
    InputText,
    Markdown,
    Model,
    Select,
    Submit,
    json_schema,
    validate,
)

COLOURS = [InputOption("r", "Red"), InputOption("g", "Green"), InputOption("b", "Blue")]
WHOLE = Model(
    Markdown("# Order"),
    Errors(),
    InputText("name", label="Name", required=True),
    InputText("code", pattern="[A-Z]{2}[0-9]+"),
    InputArea("note", max_length=20),
    InputNumber("amount", min_value=1, max_value=10, required=True),
    InputNumber("weight", min_value=0, step=0.5),
    Checkbox("gift", option="GIFT"),
    Select("colour", COLOURS),
    Select("extras", COLOURS, multiple=True),
    Submit("Send"),
    Cancel("Back"),
).get_model()


def test_a_form_is_its_elements_in_order_with_every_setting():
    form = Model(
        Markdown("# Trivial"),
        Errors(),
        InputText(name="name", label="Name", value="x", required=True),
        Submit("GO"),
        Cancel("Cancel"),
    )

    assert form.get_model() == [
        {"type": "markdown", "text": "# Trivial"},
        {"type": "errors"},
        {
            "type": "text",
            "name": "name",
            "label": "Name",
            "value": "x",
            "required": True,
            "placeholder": None,
            "size": None,
            "pattern": None,
        },
        {"type": "submit", "text": "GO"},
        {"type": "cancel", "text": "Cancel"},
    ]


@pytest.mark.parametrize(
    ("element", "keys"),
    [
        (InputText("a"), "type name label value required placeholder size pattern"),
        (InputNumber("a"), "type name label value required placeholder size pattern min_value max_value step"),
        (InputArea("a"), "type name label value required placeholder rows cols max_length"),
        (Checkbox("a"), "type name label value option"),
        (InputOption("a"), "type name label value"),
        (Select("a"), "type name label value required option error"),
        (Select("a", multiple=True), "type name label value required option error multiple"),
    ],
)
def test_each_element_has_exactly_its_keys_in_their_order(element: Element, keys: str):
    assert list(element.to_dict()) == keys.split()


def test_markdown_loses_its_common_indentation():
    text = """
        # Title
          * point
    """

    assert Markdown(text).to_dict()["text"] == "# Title\n  * point"


@pytest.mark.parametrize(
    ("element", "sent", "value"),
    [
        (InputText("a", value="the default"), None, None),
        (InputText("a", pattern="x+"), "", ""),
        (InputText("a", pattern="[0-9]+"), "123", "123"),
        (InputArea("a", max_length=3), "abc", "abc"),
        (InputNumber("a"), 5, 5),
        (InputNumber("a"), "5", 5),
        (InputNumber("a"), " -5 ", -5),
        (InputNumber("a"), "5.0", 5.0),
        (InputNumber("a"), "1e3", 1000.0),
        (InputNumber("a"), 2.5, 2.5),
        (InputNumber("a"), "", None),
        (InputNumber("a", min_value=1, step=0.1), "1.3", 1.3),
        (Checkbox("a"), None, False),
        (Checkbox("a"), "", False),
        (Checkbox("a"), "off", False),
        (Checkbox("a"), False, False),
        (Checkbox("a"), "on", True),
        (Checkbox("a"), "true", True),
        (Checkbox("a"), True, True),
        (Select("a", COLOURS), "g", "g"),
        (Select("a", COLOURS), "", None),
        (Select("a", COLOURS, multiple=True), ["b", "r", "b"], ["r", "b"]),
        (Select("a", COLOURS, multiple=True), "g", ["g"]),
        (Select("a", COLOURS, multiple=True), None, []),
    ],
)
def test_what_is_accepted_and_what_becomes_of_it(element: Element, sent: Any, value: Any):
    values, errors = validate([element.to_dict()], {"a": sent})

    assert errors == {}
    assert values == {"a": value}
    assert type(values["a"]) is type(value)


REFUSED: list[tuple[Element, Any, str]] = [
    (InputText("a", required=True), None, "is required"),
    (InputText("a", required=True), "", "is required"),
    (InputNumber("a", required=True), "", "is required"),
    (Select("a", COLOURS, required=True), None, "is required"),
    (Select("a", COLOURS, multiple=True, required=True), [], "is required"),
    (InputText("a"), 5, "must be text"),
    (InputText("a"), ["x"], "must be text"),
    (InputText("a"), "nul\x00", "must be text"),
    (InputText("a"), "half \ud83d", "must be text"),
    (InputArea("a", max_length=3), "abcd", "must have at most 3 characters"),
    (InputText("a", pattern="[0-9]+"), "12a", "must match [0-9]+"),
    (InputText("a", pattern="a|b"), "ab", "must match a|b"),
    (InputNumber("a"), "five", "must be a number"),
    (InputNumber("a"), "1_000", "must be a number"),
    (InputNumber("a"), "9" * 101, "must be a number"),
    (InputNumber("a"), "nan", "must be a number"),
    (InputNumber("a"), "1e999", "must be a number"),
    (InputNumber("a"), True, "must be a number"),
    (InputNumber("a"), {}, "must be a number"),
    (InputNumber("a", min_value=0), -1, "must be at least 0"),
    (InputNumber("a", max_value=9.5), 10, "must be at most 9.5"),
    (InputNumber("a", step=2), 3, "must be in steps of 2"),
    (InputNumber("a", min_value=1, step=2), 4, "must be in steps of 2"),
    (Checkbox("a"), "yes", "must be on or off"),
    (Checkbox("a"), 1, "must be on or off"),
    (Checkbox("a"), 0, "must be on or off"),
    (Select("a", COLOURS), "x", "must be one of: r, g, b"),
    (Select("a", COLOURS), ["r"], "must be one of: r, g, b"),
    (Select("a", COLOURS, multiple=True), ["r", "x"], "must be one of: r, g, b"),
    (Select("a", COLOURS, multiple=True), [{}], "must be one of: r, g, b"),
]


@pytest.mark.parametrize(("element", "sent", "message"), REFUSED)
def test_what_is_refused_and_with_which_words(element: Element, sent: Any, message: str):
    _, errors = validate([element.to_dict()], {"a": sent})

    assert errors == {"a": [message]}
    with pytest.raises(ValueError, match=r"."):
        element.parse_value(sent)


def test_all_fields_are_checked_in_one_answer_and_unknown_ones_ignored():
    values, errors = validate(WHOLE, {"amount": 11, "gift": "maybe", "stranger": 1})

    assert errors == {
        "name": ["is required"],
        "amount": ["must be at most 10"],
        "gift": ["must be on or off"],
    }
    assert values == {"code": None, "note": None, "weight": None, "colour": None, "extras": []}


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "["])
def test_a_pattern_that_cannot_be_checked_in_linear_time_is_refused_when_the_form_is_made(pattern: str):
    with pytest.raises(ValueError, match="cannot be used"):
        InputText("a", pattern=pattern)


def test_a_malicious_pattern_cannot_block_the_checker():
    _, errors = validate([InputText("a", pattern="(a+)+").to_dict()], {"a": "a" * 50_000 + "b"})

    assert errors == {"a": ["must match (a+)+"]}


def test_a_stored_pattern_that_cannot_be_checked_is_left_to_the_handler():
    stored = InputText("a").to_dict() | {"pattern": "(?=a)b"}

    assert validate([stored], {"a": "c"}) == ({"a": "c"}, {})


def test_a_form_is_built_again_from_its_stored_elements_and_leaves_them_alone():
    stored = [*WHOLE, {"type": "hologram", "name": "x"}]

    again = Model.model_validate(stored, errors={"name": ["is required"]})

    assert again.get_model() == WHOLE
    assert again.children[2].error == "is required"  # type: ignore[attr-defined]
    assert stored[-1] == {"type": "hologram", "name": "x"}


def test_an_element_of_a_later_version_is_passed_through():
    assert validate([{"type": "hologram", "name": "x"}], {"x": [1]}) == ({"x": [1]}, {})


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ([InputText(f"f{n}") for n in range(201)], "at most 200 elements"),
        ([Markdown("x" * 2**20)], "at most 1 MiB"),
        ([InputText("a"), Checkbox("a")], "same name: a"),
    ],
)
def test_forms_have_limits(elements: list[Element], reason: str):
    with pytest.raises(ValueError, match=reason):
        Model(*elements)


SENT = st.fixed_dictionaries(
    {},
    optional={
        "name": st.none() | st.text(max_size=3) | st.integers(),
        "code": st.none() | st.sampled_from(["AB1", "", "ab", "AB"]) | st.booleans(),
        "note": st.none() | st.text(max_size=25),
        "amount": st.none() | st.integers(-1, 12) | st.floats(0, 11) | st.booleans(),
        "weight": st.none() | st.sampled_from([0, 0.5, 1, 1.25, -1]),
        "gift": st.booleans() | st.none(),
        "colour": st.none() | st.sampled_from(["r", "x", 1]),
        "extras": st.lists(st.sampled_from(["r", "g", "x"]), max_size=3),
        "stranger": st.integers(),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(sent=SENT)
def test_whatever_the_json_schema_allows_is_accepted(sent: dict[str, Any]):
    schema = json_schema(WHOLE)
    is_storable = all(not isinstance(each, str) or "\x00" not in each for each in sent.values())

    _, errors = validate(WHOLE, sent)

    if jsonschema_rs.is_valid(schema, sent) and is_storable:
        assert errors == {}


def test_the_json_schema_says_what_the_form_says():
    schema = json_schema(WHOLE)

    assert schema["required"] == ["name", "amount"]
    assert schema["properties"]["name"] == {"type": "string", "minLength": 1, "title": "Name"}
    assert schema["properties"]["amount"] == {"type": "number", "minimum": 1, "maximum": 10}
    assert schema["properties"]["colour"] == {"enum": ["r", "g", "b", None]}
    assert not jsonschema_rs.is_valid(schema, {"name": "", "amount": 0})
