select
    source.channel_id,
    source.id as email_id,
    source.module,
    source.record_id,
    source.subject,
    source.source,
    source.sent as is_sent,
    source.sent_time at time zone 'UTC' as sent_at,
    source.from_email,
    source.owner_id,
    source.owner_name,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.emails as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
