"""Zoho CRM to insight: incremental extraction, attribution, conversion and speed to lead, per channel.

Here belong only the packages, the settings and the logs. docs/architecture.md shows how the packages import each other.
The entry point `zoho-pipeline` calls `cli`, Dagster loads `definitions`.
Read `settings.py` first, then the `__init__.py` of the package that you need.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoho_pipeline.dlt_source.source import zoho_crm
    from zoho_pipeline.dlt_source.steps import run_in_steps
    from zoho_pipeline.frames.read import insight, read_mart, read_sql

__all__ = ["insight", "read_mart", "read_sql", "run_in_steps", "zoho_crm"]


def __getattr__(name: str) -> Any:
    """The functions for programs and notebooks, imported at first use: a command that starts must not wait for them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "zoho_crm":
        from zoho_pipeline.dlt_source import source

        return source.zoho_crm
    if name == "run_in_steps":
        from zoho_pipeline.dlt_source import steps

        return steps.run_in_steps
    from zoho_pipeline.frames import read

    return getattr(read, name)
