select
    source.channel_id,
    source.id as history_id,
    source.lead_id as zoho_lead_id,
    source.lead_status,
    source.moved_to,
    source.duration_days,
    case
        when source.modified_time >= timestamptz '1900-01-01' and source.modified_time < timestamptz '10000-01-01'
            then source.modified_time at time zone 'UTC'
    end as entered_at,
    source.basis,
    case
        when
            source.modified_time < timestamptz '1900-01-01'
            or source.modified_time >= timestamptz '10000-01-01'
            then 'modified_time'
    end as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.lead_status_history as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
