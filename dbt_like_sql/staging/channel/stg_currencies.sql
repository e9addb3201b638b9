select
    source.channel_id,
    source.iso_code,
    source.decimal_places,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.currencies as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
