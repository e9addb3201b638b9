"""The results of several batches as those of one run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from zoho_pipeline.transform.errors import ModelFailed
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.build import ModelResult
from zoho_pipeline.transform.run.checks import Check, CheckResult


@dataclass
class Results:
    """What the batches of a run reported.

    Attributes:
        models: by name, with the rows and seconds of all batches. A row that belongs to no channel is made in each
            batch that needs it, and counted there.
        checks: by name, with the failures of all batches.
        broke: channel → the model that its data broke, and the failure.
    """

    models: dict[str, ModelResult] = field(default_factory=dict)
    checks: dict[str, CheckResult] = field(default_factory=dict)
    broke: dict[str, tuple[str, ModelFailed]] = field(default_factory=dict)

    def checks_left(self, checks: Sequence[Check], project: Project) -> list[Check]:
        """The checks of the next batch. Those that read only seeds run once."""
        seeds = project.seeds.keys()
        return [check for check in checks if check.name not in self.checks or not check.reads <= seeds]

    def add(self, models: Iterable[ModelResult], checks: Mapping[str, CheckResult]) -> None:
        """Add the results of a batch."""
        for model in models:
            done = self.models.get(model.name, replace(model, rows=0, seconds=0.0))
            rows, seconds = done.rows + model.rows, done.seconds + model.seconds
            self.models[model.name] = replace(model, rows=rows, seconds=seconds)
        for name, check in checks.items():
            before = self.checks.get(name)
            self.checks[name] = _together(before, check) if before else check


def _together(one: CheckResult, other: CheckResult) -> CheckResult:
    return replace(
        one,
        passed=one.passed and other.passed,
        failures=one.failures + other.failures,
        channels=tuple(sorted({*one.channels, *other.channels}, key=str)),
    )
