select
    source.channel_id,
    source.run_id,
    source.module,
    source.started_at at time zone 'UTC' as started_at,
    source.finished_at at time zone 'UTC' as finished_at,
    source.duration_seconds,
    source.route,
    source.route_reason,
    source.window_start at time zone 'UTC' as window_start,
    source.window_end at time zone 'UTC' as window_end,
    source.rows as row_count,
    source.deleted_rows,
    source.rejected_rows,
    source.credits,
    source.tokens,
    source.requests,
    source.outcome,
    source.detail
from zoho_raw.sync_runs as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
