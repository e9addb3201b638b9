select
    source.channel_id,
    source.id as email_id,
    source.module,
    source.record_id,
    source.subject,
    source.source,
    source.sent as is_sent,
    case
        when source.sent_time >= timestamptz '1900-01-01' and source.sent_time < timestamptz '10000-01-01'
            then source.sent_time at time zone 'UTC'
    end as sent_at,
    source.from_email,
    source.owner_id,
    source.owner_name,
    case
        when
            source.sent_time < timestamptz '1900-01-01'
            or source.sent_time >= timestamptz '10000-01-01'
            then 'sent_time'
    end as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.emails as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
