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

_PLACES = {"build": "code_location", "Overrides": "overrides"}


def __getattr__(name: str) -> Any:
    """Import `build` or `Overrides` at first use: `instance.home` is below this package, and does without Dagster."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
