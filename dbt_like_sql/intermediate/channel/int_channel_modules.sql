-- One row per channel and module that a sync has tried to read: whether the last try could read it.
with ranked as (
    select
        channel_id,
        module,
        outcome,
        row_number() over (
            partition by channel_id, module
            order by started_at desc, run_id desc
        ) as run_rank
    from stg_sync_runs
)

select
    channel_id,
    module,
    outcome <> 'skipped' as is_readable
from ranked
where run_rank = 1
