"""What a person fills in: a form is a model of elements, checked on the server."""

from windlass.forms.elements import (
    Cancel,
    Checkbox,
    Element,
    Errors,
    InputArea,
    InputNumber,
    InputOption,
    InputText,
    Markdown,
    Select,
    Submit,
)
from windlass.forms.models import Model
from windlass.forms.schema import json_schema
from windlass.forms.validation import parse, validate

__all__ = [
    "Cancel",
    "Checkbox",
    "Element",
    "Errors",
    "InputArea",
    "InputNumber",
    "InputOption",
    "InputText",
    "Markdown",
    "Model",
    "Select",
    "Submit",
    "json_schema",
    "parse",
    "validate",
]
