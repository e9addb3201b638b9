select
    source.channel_id,
    source.module,
    source.id as record_id,
    source.kind,
    source.key as person_key,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.person_keys as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
