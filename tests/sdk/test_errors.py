"""An InputsError gathers what is wrong with a form, by field and as a whole."""

from windlass import InputsError, KodosumiError, WindlassError


def test_messages_are_gathered_by_field_with_flashed_ones_first():
    error = InputsError("positional")
    error.add(name="too short", age="too young")
    error.add(name="too plain")
    error.flash("flashed")

    assert error.errors == {"name": ["too short", "too plain"], "age": ["too young"], "_global_": ["flashed"]}
    assert error.by_field()["_global_"] == ["flashed", "positional"]
    assert str(error) == "name: too short; name: too plain; age: too young; form: flashed; form: positional"


def test_it_is_true_only_with_field_or_flashed_messages():
    assert not InputsError()
    assert not InputsError("positional").has_errors()
    assert InputsError(name="wrong")
    assert InputsError().by_field() == {"_global_": []}


def test_everything_raised_on_purpose_has_one_root_with_two_names():
    assert issubclass(InputsError, WindlassError)
    assert KodosumiError is WindlassError
