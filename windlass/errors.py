"""What an agent or a form handler may raise or catch."""


class WindlassError(Exception):
    """The root of everything the SDK raises on purpose."""


KodosumiError = WindlassError


class NotLaunched(WindlassError):
    """A flow's handler returned something that is no Launch."""

    def __init__(self) -> None:
        super().__init__("windlass endpoint must return a Launch object or raise an InputsError")


class FileRefused(WindlassError):
    """A file of the run was not taken, or cannot be reached; the message says why."""


class InputsError(WindlassError):
    """The form was filled in wrongly: positional messages are global, keywords belong to fields."""

    def __init__(self, *messages: str, **fields: str) -> None:
        super().__init__(*messages)
        self.errors: dict[str, list[str]] = {}
        self.add(**fields)

    def add(self, **fields: str) -> None:
        """Add one message to each named field."""
        for name, message in fields.items():
            self.errors.setdefault(name, []).append(message)

    def flash(self, message: str) -> None:
        """Add a message about the form as a whole."""
        self.add(_global_=message)

    def has_errors(self) -> bool:
        """Whether a field or the form as a whole has a message."""
        return bool(self.errors)

    def __bool__(self) -> bool:
        return self.has_errors()

    def __str__(self) -> str:
        return "; ".join(f"{name}: {text}" for name, text in self._lines()) or "invalid inputs"

    def by_field(self) -> dict[str, list[str]]:
        """Every message by field; the global ones, always present, are under `_global_`."""
        whole = [*self.errors.get("_global_", []), *(str(each) for each in self.args)]
        return {**self.errors, "_global_": whole}

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("form" if name == "_global_" else name, text)
            for name, messages in self.by_field().items()
            for text in messages
        ]


class UnknownQuestion(WindlassError):
    """An agent asks by a name for which the service has no form."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The service has no form named {name!r}: register one with @app.lock({name!r}), "
            "or ask with a form of your own: tracer.ask(name, form=forms.Model(…))."
        )


class StepFailed(WindlassError):
    """A step failed in an earlier life of this run, with an error that cannot be built again."""


class StepUnknown(WindlassError):
    """A step that must run only once was interrupted: whether it took effect is not known."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The process died while step {name!r} was running. It is marked once=True, so it is not run again; "
            "check by hand whether it took effect, then retry the run."
        )
