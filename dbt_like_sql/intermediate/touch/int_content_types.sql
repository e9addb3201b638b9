-- One row per content item that has a content type. Types that differ only in normal text are one type, in the spelling
-- that most items of the channel have; of equally frequent ones, it is the smallest. A type that is called (none) cannot
-- be told from the row (none) of leads without content, so it is left out.
with types as (
    select
        items.channel_id,
        items.content_id,
        texts.shown,
        texts.normal
    from stg_content_items as items
    inner join int_normal_texts as texts
        on items.content_type = texts.value
    where texts.normal <> '(none)'
),

ranked as (
    select
        channel_id,
        normal,
        shown,
        row_number() over (
            partition by channel_id, normal
            order by count(*) desc, shown collate "C"
        ) as spelling_rank
    from types
    group by channel_id, normal, shown
)

select
    types.channel_id,
    types.content_id,
    ranked.shown as content_type
from types
inner join ranked
    on
        types.channel_id = ranked.channel_id
        and types.normal = ranked.normal
        and ranked.spelling_rank = 1
