-- One row per content item and key by which a touch may name it, with the time in which touches are credited to it.
with all_keys as (
    -- An item may have the same text as both of its ids: it stays one item.
    select
        channel_id,
        content_id,
        published_at,
        'activity_id' as kind,
        activity_id as match_key
    from int_content_inputs
    union
    select
        channel_id,
        content_id,
        published_at,
        'activity_id' as kind,
        content_key as match_key
    from int_content_inputs
    union all
    select
        channel_id,
        content_id,
        published_at,
        'utm_content' as kind,
        utm_content as match_key
    from int_content_inputs
    union all
    select
        channel_id,
        content_id,
        published_at,
        'utm_campaign' as kind,
        utm_campaign as match_key
    from int_content_inputs
    union all
    -- No normal text has the unit separator in it.
    select
        channel_id,
        content_id,
        published_at,
        'utm_triple' as kind,
        utm_source || chr(31) || utm_medium || chr(31) || utm_campaign as match_key
    from int_content_inputs
    union all
    select
        channel_id,
        content_id,
        published_at,
        'url' as kind,
        page as match_key
    from int_content_inputs
),

eligibility as (
    select
        all_keys.channel_id,
        all_keys.content_id,
        all_keys.kind,
        all_keys.match_key,
        all_keys.published_at - parameters.content_grace_hours * interval '1 hour' as eligible_from
    from all_keys
    inner join int_parameters as parameters
        on all_keys.channel_id = parameters.channel_id
    where all_keys.match_key is not null
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
