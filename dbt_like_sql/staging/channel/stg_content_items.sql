select
    source.channel_id,
    source.content_id,
    source.source_activity_id,
    source.content_type,
    source.platform,
    source.title,
    source.topics,
    source.published_at at time zone 'UTC' as published_at,
    source.canonical_url,
    source.utm_source,
    source.utm_medium,
    source.utm_campaign,
    source.utm_content,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.content_items as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
