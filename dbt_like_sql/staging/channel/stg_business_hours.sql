select
    source.channel_id,
    source.id as business_hours_id,
    source.type as business_hours_type,
    source.week_starts_on,
    source.same_as_everyday as is_same_everyday,
    source.business_days,
    source.daily_timing,
    source.custom_timing,
    source.basis,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.business_hours as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
