select
    source.channel_id,
    source.id as history_id,
    source.deal_id,
    source.deal_name,
    source.stage,
    source.moved_to,
    source.amount,
    source.duration_days,
    source.modified_time at time zone 'UTC' as entered_at,
    source.basis,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.deal_stage_history as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
