select
    source.channel_id,
    source.id as history_id,
    source.lead_id as zoho_lead_id,
    source.lead_status,
    source.moved_to,
    source.duration_days,
    source.modified_time at time zone 'UTC' as entered_at,
    source.basis,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.lead_status_history as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
