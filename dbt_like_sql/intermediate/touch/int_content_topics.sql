-- One row per content item and topic. Topics that differ only in normal text are one topic, in the spelling that most
-- items of the channel have; of equally frequent ones, it is the smallest. A topic that is called (none) cannot be told
-- from the row (none) of leads without a topic, so it is left out.
with topics as (
    select
        items.channel_id,
        items.content_id,
        texts.topic,
        texts.normal
    from stg_content_items as items
    inner join int_topic_texts as texts
        on items.topics = texts.value
    where texts.normal <> '(none)'
),

ranked as (
    select
        channel_id,
        normal,
        topic,
        row_number() over (
            partition by channel_id, normal
            order by count(*) desc, topic collate "C"
        ) as spelling_rank
    from topics
    group by channel_id, normal, topic
)

select
    topics.channel_id,
    topics.content_id,
    ranked.topic
from topics
inner join ranked
    on
        topics.channel_id = ranked.channel_id
        and topics.normal = ranked.normal
        and ranked.spelling_rank = 1
