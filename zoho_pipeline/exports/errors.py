"""What can go wrong with an export.

ExportError          the file could not be written; what stood in its place is unchanged
└── WrongPlace       the file has a wrong ending, exists already, or has no folder (wrong use, exit code 2)
"""

from zoho_pipeline.settings import PipelineError, UsageError


class ExportError(PipelineError):
    """A file could not be written. The message says what to do, and what stood in its place is unchanged."""


class WrongPlace(ExportError, UsageError):
    """The place of the file is wrong, and nothing was done."""
