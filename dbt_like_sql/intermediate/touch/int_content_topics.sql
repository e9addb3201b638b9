-- One row per content item and topic. Topics are split at |, trimmed and listed once each.
with recursive pieces as (
    select
        channel_id,
        content_id,
        topics,
        1 as n,
        split_part(topics, '|', 1) as piece
    from stg_content_items
    where topics is not null
    union all
    select
        channel_id,
        content_id,
        topics,
        n + 1 as n,
        split_part(topics, '|', n + 1) as piece
    from pieces
    where n <= length(topics) - length(replace(topics, '|', ''))
)

select distinct
    channel_id,
    content_id,
    trim(piece) as topic
from pieces
where trim(piece) <> ''
