-- One row per content item and key by which a touch may name it, with the time in which touches are credited to it.
with all_keys as (
    -- An item may have the same text as both of its ids: it stays one item.
    select distinct
        channel_id,
        side_id as content_id,
        'activity_id' as kind,
        value as match_key
    from int_normal_values
    where side = 'content' and name in ('activity_id', 'content_id')
    union all
    select
        channel_id,
        side_id as content_id,
        name as kind,
        value as match_key
    from int_normal_values
    where side = 'content' and name in ('utm_content', 'utm_campaign', 'utm_triple')
    union all
    select
        channel_id,
        side_id as content_id,
        'url' as kind,
        url as match_key
    from int_normal_urls
    where side = 'content'
),

eligibility as (
    select
        all_keys.channel_id,
        all_keys.content_id,
        all_keys.kind,
        all_keys.match_key,
        content.published_at - parameters.content_grace_hours * interval '1 hour' as eligible_from
    from all_keys
    inner join stg_content_items as content
        on
            all_keys.channel_id = content.channel_id
            and all_keys.content_id = content.content_id
    inner join int_parameters as parameters
        on all_keys.channel_id = parameters.channel_id
)

-- Items with the same key follow one another: a touch takes the eligible item that was published last, and key_rank 1
-- means that it is the only eligible one. Of two items published at the same time, the smaller id is taken, and its
-- rank is 2.
select
    channel_id,
    content_id,
    kind,
    match_key,
    eligible_from,
    lead(eligible_from) over (
        partition by channel_id, kind, match_key
        order by eligible_from, content_id collate "C" desc
    ) as eligible_until,
    row_number() over (
        partition by channel_id, kind, match_key
        order by eligible_from, content_id collate "C" desc
    ) as key_rank
from eligibility
