-- An item that is called (none) cannot be told from the row (none) of leads without content, so it is left out.
select
    source.channel_id,
    source.content_id,
    source.source_activity_id,
    source.content_type,
    source.platform,
    source.title,
    source.topics,
    case
        when source.published_at >= timestamptz '1900-01-01' and source.published_at < timestamptz '10000-01-01'
            then source.published_at at time zone 'UTC'
    end as published_at,
    source.canonical_url,
    source.utm_source,
    source.utm_medium,
    source.utm_campaign,
    source.utm_content,
    case
        when
            source.published_at < timestamptz '1900-01-01'
            or source.published_at >= timestamptz '10000-01-01'
            then 'published_at'
    end as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.content_items as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
where source.content_id <> '(none)'
