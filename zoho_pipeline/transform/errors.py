"""What can go wrong between raw tables and marts.

TransformError
├── ProjectError      a model file or its yml is wrong; names file and line (nothing was run)
├── ModelFailed       the engine refused a model; names file and line (nothing was published)
├── TransformFailed   checks or single channels failed; the other channels were published
├── NotPublished      no transform has run yet
└── QueryError        a query of a user was refused
"""

from pathlib import Path

from zoho_pipeline.settings import PipelineError, UsageError


class TransformError(PipelineError):
    """The raw tables could not be turned into marts."""


class ProjectError(TransformError):
    """A file of the SQL project is wrong; the message starts with `file:line`."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{at(path, line)}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class ModelFailed(TransformError):
    """The engine refused or broke off a model; what was published before stays readable.

    Attributes:
        path, line: the file of the model, and the 1-based line where it is known.
        reason: the engine's words.
    """

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{at(path, line)}: {reason}\nNothing was published; the marts are those of the last run.")
        self.path, self.line, self.reason = path, line, reason


class TransformFailed(TransformError):
    """Checks failed, or channels were left out; the message names them."""


class NotPublished(TransformError):
    """There are no marts to read yet."""


class QueryError(TransformError, UsageError):
    """The query is not one read-only statement, or the engine refused it (exit code 2)."""


def at(path: Path, line: int | None) -> str:
    """`folder/file.sql:12`, short enough to read and to click."""
    shown = Path(*path.parts[-3:]) if len(path.parts) > 3 else path
    return f"{shown}:{line}" if line else str(shown)
