-- One row per content item of the catalogue, with its page and its topics. It says nothing about leads.
with topics as (
    select
        channel_id,
        content_id,
        string_agg(topic, '|' order by topic collate "C" nulls first) as topics
    from int_content_topics
    group by channel_id, content_id
)

select
    items.channel_id,
    items.content_id,
    types.content_type,
    items.title,
    items.canonical_url,
    topics.topics,
    items.published_at,
    clock.as_of_utc
from stg_content_items as items
inner join int_channel_clock as clock
    on items.channel_id = clock.channel_id
left join int_content_types as types
    on
        items.channel_id = types.channel_id
        and items.content_id = types.content_id
left join topics
    on
        items.channel_id = topics.channel_id
        and items.content_id = topics.content_id
