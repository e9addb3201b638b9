-- One row per value that a table by dimension must contain, with or without leads: the values of the catalogue, the
-- lead sources ever seen, and (none).
select
    channel_id,
    'all' as dimension,
    'all' as dimension_value
from int_channel_clock
union
select
    channel_id,
    'lead_source' as dimension,
    lead_source as dimension_value
from lead_source_attribution
union
select
    channel_id,
    'content_type' as dimension,
    content_type as dimension_value
from stg_content_items
where content_type is not null
union
select
    channel_id,
    'content_type' as dimension,
    '(none)' as dimension_value
from int_channel_clock
union
select
    channel_id,
    'content' as dimension,
    content_id as dimension_value
from stg_content_items
union
select
    channel_id,
    'content' as dimension,
    '(none)' as dimension_value
from int_channel_clock
union
select
    channel_id,
    'topic' as dimension,
    topic as dimension_value
from int_content_topics
union
select
    channel_id,
    'topic' as dimension,
    '(none)' as dimension_value
from int_channel_clock
