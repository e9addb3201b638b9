"""Runs a source step by step, until nothing is left to read."""

from typing import Any

from zoho_pipeline.dlt_source.module_reading import MORE


def run_in_steps(pipeline: Any, source: Any, **options: Any) -> list[Any]:
    """Run a source with `max_rows` again and again, until every module is read to its end.

    Each step is a run of the pipeline: its rows are loaded, and its cursors are stored. After a crash, the same call
    goes on where the last finished step ended. A package that waits to be loaded is loaded first.

    Args:
        pipeline: a `dlt.Pipeline`.
        source: `zoho_crm(…, max_rows=50_000)`. Without `max_rows`, there is one step.
        options: of `pipeline.run`. `refresh` counts for the first step only.

    Returns:
        What `pipeline.run` returned, one per step.

    Raises:
        PipelineStepFailed: a step failed. The steps before it stay.
    """
    steps = [pipeline.run(source, **options)] if pipeline.has_pending_data else []  # dlt loads it, and reads nothing
    steps.append(pipeline.run(source, **options))
    options.pop("refresh", None)
    refresh, pipeline.refresh = pipeline.refresh, None
    try:
        while has_more(pipeline, source):
            steps.append(pipeline.run(source, **options))
    finally:
        pipeline.refresh = refresh
    return steps


def has_more(pipeline: Any, source: Any) -> bool:
    """Whether the last run of a source ended before one of its modules did, because of `max_rows`."""
    stored = (pipeline.state.get("sources") or {}).get(source.name) or {}
    resources = stored.get("resources") or {}
    return any(resources.get(name, {}).get(MORE) for name in source.selected_resources)
