"""Checks of the raw assets with one evaluation per channel: `matches_zoho`, `synced` and `fresh`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from zoho_pipeline.channels.registry.model import PAUSED
from zoho_pipeline.ingest.catalog.tables import MODULE_TABLES
from zoho_pipeline.orchestration.assets.asset_events import (
    FRESH,
    MATCHES_ZOHO,
    SYNCED,
    Stopwatch,
    hide_unyielded_checks,
    keep_event_log_connection,
    log_check_evaluation,
    log_matches_zoho_checks,
    log_materializations,
    log_synced_check,
)
from zoho_pipeline.orchestration.assets.raw_assets import sync_failure
from zoho_pipeline.orchestration.assets.raw_specs import FAIL_AFTER, WARN_AFTER
from zoho_pipeline.orchestration.channel_batch import (
    BatchConfig,
    ChannelFailure,
    ChannelTask,
    attempt,
    channels_left_to_do,
    channels_of_run,
    raise_if_any_failed,
    reason_to_skip,
    run_batch,
    wait_while_queue_is_empty,
)
from zoho_pipeline.orchestration.channel_summaries import ChannelSummary, read_channel_summaries
from zoho_pipeline.orchestration.naming import RECONCILE_JOB, RECONCILE_OP, STATUS_OP, Naming
from zoho_pipeline.orchestration.services import Services

_CHANNELS_NAMED_IN_LOG = 20


def build_channel_checks(naming: Naming) -> list[dg.AssetChecksDefinition]:
    """`reconcile` (reads from Zoho and repairs) and `channel_status` (reads only the registry).

    Checks with partitions are a preview in Dagster 1.13. Without them, one evaluation would cover all channels.
    """
    return [_reconcile(naming), _channel_status(naming)]


def _spec(naming: Naming, asset: dg.AssetKey, name: str, description: str, failure: str) -> dg.AssetCheckSpec:
    """The spec of a check. No failure of a raw table blocks the marts, so each says what happens instead."""
    return dg.AssetCheckSpec(
        name,
        asset=asset,
        description=f"{description} A failure blocks nothing: {failure}",
        partitions_def=naming.partitions,
        metadata={"blocks": "nothing"},
    )


def _reconcile(naming: Naming) -> dg.AssetChecksDefinition:
    description = (
        "Compares the table with Zoho id by id. It passes when nothing differs. It runs every Sunday and when somebody "
        f"launches the job {naming.name(RECONCILE_JOB)}. A materialization does not run it, because it costs credits."
    )
    failure = (
        "the same run counts and repairs the differences, and the next refresh of the marts counts the right rows."
    )

    @dg.multi_asset_check(
        name=naming.name(RECONCILE_OP),
        specs=[
            _spec(naming, naming.raw_key(table.name), MATCHES_ZOHO, description, failure) for table in MODULE_TABLES
        ],
        can_subset=True,
        pool=naming.sync_pool,
        required_resource_keys={naming.resource},
    )
    def reconcile(context: dg.AssetCheckExecutionContext, config: BatchConfig) -> Iterator[Any]:
        # Dagster adds this op to the plan of every materialization of a raw table. It skips the op there, because the
        # sync op yields no output that the check could depend on.
        op = context.op_execution_context
        services = naming.services(op.resources)
        keep_event_log_connection(op.instance)
        hide_unyielded_checks(op)
        channels = channels_left_to_do(op, services, channels_of_run(op, config))
        tables = {key.asset_key.path[-1] for key in context.selected_asset_check_keys}
        task = _reconcile_task(op, naming, services, tables)
        failures = run_batch(channels, task, config.retry_waits, wait_while_queue_is_empty(op))
        raise_if_any_failed(op, channels, failures)
        yield from ()

    return reconcile


def _reconcile_task(
    context: dg.OpExecutionContext, naming: Naming, services: Services, tables: set[str]
) -> ChannelTask:
    from zoho_pipeline.ingest.report import ReconcileReport
    from zoho_pipeline.ingest.sync.run import reconcile_channel

    selected = [str(table.module) for table in MODULE_TABLES if table.name in tables]
    modules = None if len(selected) == len(MODULE_TABLES) else selected

    def task(channel_id: str) -> ChannelFailure | None:
        reports: list[ReconcileReport] = []

        def reconcile() -> ChannelFailure | None:
            if reason := reason_to_skip(services.registry.get(channel_id)):
                context.log.info("Channel %s %s. It is not reconciled.", channel_id, reason)
                return None
            report = reconcile_channel(
                services.settings,
                services.registry,
                services.warehouse,
                channel_id,
                modules=modules,
                limits=services.limits,
            )
            reports.append(report)
            return sync_failure(report.sync)

        with Stopwatch() as duration:
            failure = attempt(channel_id, reconcile)
        for report in reports:
            log_materializations(context, naming, report.sync, tables, all_tables=False)
            log_matches_zoho_checks(context, naming, report)
        if reports or (failure and failure.known):
            reason = failure.reason if failure else None
            log_synced_check(context, naming, channel_id, reason, duration.seconds, duration.cpu_seconds)
        return failure

    return task


def _channel_status(naming: Naming) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=naming.name(STATUS_OP),
        specs=[
            _spec(
                naming,
                naming.channels_key,
                SYNCED,
                "The last sync of the channel read everything that its token may read.",
                "the modules that were read are loaded, and the marts count the channel up to its last complete sync.",
            ),
            _spec(
                naming,
                naming.channels_key,
                FRESH,
                "The last complete sync of the channel is at most 36 hours old. From 26 hours on, the check warns.",
                "the marts show the channel as it was at its last complete sync, and name that time (as_of_utc).",
            ),
        ],
        can_subset=True,
        required_resource_keys={naming.resource},
    )
    def channel_status(context: dg.AssetCheckExecutionContext, config: BatchConfig) -> Iterator[Any]:
        op = context.op_execution_context
        services = naming.services(op.resources)
        keep_event_log_connection(op.instance)
        hide_unyielded_checks(op)
        are_selected = bool(config.channels) or op.has_partition_key or op.has_partition_key_range
        selected = set(channels_of_run(op, config)) if are_selected else None
        check_names = {key.name for key in context.selected_asset_check_keys}
        if FRESH in check_names:
            _evaluate_fresh(op, naming, services, selected)
        if SYNCED in check_names:
            _evaluate_synced(op, naming, services, selected)
        yield from ()

    return channel_status


def _evaluate_fresh(
    context: dg.OpExecutionContext, naming: Naming, services: Services, selected: set[str] | None
) -> None:
    """Log check `fresh` of the selected channels (None: all).

    When all channels are selected, a channel that passed before and still passes gets no new event. With 5,000
    channels, these would be 5,000 events per hour.
    """
    now, stale = services.registry.database.now(), []
    passed_before = _last_fresh_results(context.instance, naming) if selected is None else {}
    for channel in read_channel_summaries(services.registry):
        if selected is not None and channel.id not in selected:
            continue
        result = freshness(channel, now)
        if not result.passed:
            stale.append(channel.id)
        if not (result.passed and passed_before.get(channel.id)):
            warn = not result.is_error
            log_check_evaluation(
                context, naming.channels_key, FRESH, channel.id, result.passed, result.metadata, warn=warn
            )
    if stale:
        names = ", ".join(stale[:_CHANNELS_NAMED_IN_LOG])
        context.log.warning("%d channels have no recent complete sync: %s", len(stale), names)


def _last_fresh_results(instance: dg.DagsterInstance, naming: Naming) -> dict[str, bool]:
    """Channel id → whether its newest evaluation of check `fresh` passed."""
    key = dg.AssetCheckKey(naming.channels_key, FRESH)
    infos = instance.event_log_storage.get_asset_check_partition_info([key])
    return {str(info.partition_key): info.latest_execution_status.value == "SUCCEEDED" for info in infos}


def _evaluate_synced(
    context: dg.OpExecutionContext, naming: Naming, services: Services, selected: set[str] | None
) -> None:
    """Log check `synced` of the selected channels (None: all), from what the registry knows."""
    registry = services.registry
    channels = registry.list() if selected is None else [registry.get(channel_id) for channel_id in sorted(selected)]
    for channel in channels:
        reason = "; ".join(channel.problems) or "complete"
        passed = not channel.problems
        log_check_evaluation(context, naming.channels_key, SYNCED, channel.id, passed, {"reason": reason}, warn=True)


@dataclass(frozen=True)
class Freshness:
    """The result of check `fresh`. `is_error`: a failed check is an error and not only a warning."""

    passed: bool
    is_error: bool
    metadata: dict[str, Any]


def freshness(channel: ChannelSummary, now: datetime) -> Freshness:
    """Whether the last complete sync is recent enough (26 and 36 hours, see `raw_specs`).

    Before the first sync, the age counts from the connection. A paused channel only warns: its pause is intended.
    """
    last_sync = channel.last_complete_sync_at
    metadata: dict[str, Any] = {"status": channel.status, "detail": channel.status_detail or ""}
    if last_sync is None:
        age = now - channel.connected_at
        metadata["never_synced"] = True
    else:
        age = now - last_sync
        metadata["age_hours"] = round(age.total_seconds() / 3600, 2)
        metadata["last_complete_sync"] = dg.MetadataValue.timestamp(last_sync)
    return Freshness(age <= WARN_AFTER, age > FAIL_AFTER and channel.status != PAUSED, metadata)
