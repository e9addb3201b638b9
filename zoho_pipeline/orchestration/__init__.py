"""The Dagster code location: assets, checks, jobs, schedules, sensors, and the instance they run on.

Belongs here: every module that imports Dagster. Does not belong here: reading Zoho, loading rows, SQL.
Called by: `zoho_pipeline.definitions`; a Dagster project of somebody else, which merges `build(settings, overrides)`
into its own definitions (docs/dagster.md); the demo calls `instance.home`, which does not import Dagster.
Read first: code_location.py.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoho_pipeline.orchestration.code_location import build
    from zoho_pipeline.orchestration.overrides import Overrides

__all__ = ["Overrides", "build"]


def __getattr__(name: str) -> Any:
    """Import `build` or `Overrides` at first use: `instance.home` is below this package, and does without Dagster."""
    if name == "build":
        from zoho_pipeline.orchestration import code_location

        return code_location.build
    if name == "Overrides":
        from zoho_pipeline.orchestration import overrides

        return overrides.Overrides
    raise AttributeError(f"module {__name__} has no attribute {name}")
