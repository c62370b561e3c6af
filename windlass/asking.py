"""What an agent asks a person: by a form of the service, or by one it makes on the spot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from windlass.contracts.questions import DEFAULT_TIMEOUT_S, QuestionKind
from windlass.forms import InputArea, InputOption, InputRadio, Model, Submit
from windlass.steps import StepCall
from windlass.values import plain

LONGEST_S = 3_660 * 86_400.0
ANSWER = "answer"  # the field of a question that has no form of its own


@dataclass(frozen=True, slots=True)
class Asking:
    """One call of `tracer.lock` or `tracer.ask`; without a `form` the service must have one under this name."""

    name: str
    data: Any = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    form: Model | None = None
    options: Sequence[str] = ()
    is_free: bool = False  # it may be asked without a form: a line of text is wanted

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= LONGEST_S:
            raise ValueError(
                f"the timeout of a question is more than 0 seconds and at most ten years, not {self.timeout_s}"
            )

    @property
    def plain_data(self) -> Any:
        """The data as it is stored and handed to handlers."""
        return plain(self.data)

    def fingerprint(self, branch: str) -> str:
        """The same for the same name and data, wherever in the code it is asked."""
        return StepCall(f"question: {self.name}", lambda: None, (self.data, list(self.options))).fingerprint(branch)

    def kind(self, has_handler: bool) -> QuestionKind:
        """What kind of question it is."""
        return QuestionKind.FORM if has_handler else QuestionKind.ASK

    def own_form(self) -> Model | None:
        """The form it brings along, if any."""
        if self.form is not None:
            return self.form
        if self.options:
            choices = [InputOption(each, each) for each in self.options]
            return Model(InputRadio(ANSWER, choices, label="Answer", required=True), Submit("Answer"))
        return Model(InputArea(ANSWER, label="Answer", required=True), Submit("Answer")) if self.is_free else None

    def taken(self, result: Any) -> Any:
        """What the agent gets: the one value where it asked for one."""
        is_single = self.form is None and (self.options or self.is_free)
        return result[ANSWER] if is_single and isinstance(result, dict) and set(result) == {ANSWER} else result  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
