select
    source.channel_id,
    source.iso_weekday,
    source.start_second,
    source.end_second,
    coalesce(source.is_continued, false) as is_continued,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.business_intervals as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
