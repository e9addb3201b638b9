-- One row per value that a table by dimension must contain, with or without leads: the values of the catalogue, every
-- lead channel, the lead sources, campaigns and owners of live leads, and (none).
with owners as (
    select
        leads.channel_id,
        leads.owner_id,
        coalesce(max(users.full_name), max(leads.owner_name collate "C"), leads.owner_id) as owner_name
    from int_live_leads as leads
    left join stg_users as users
        on
            leads.channel_id = users.channel_id
            and leads.owner_id = users.user_id
    where leads.owner_id is not null
    group by leads.channel_id, leads.owner_id
),

named as (
    select
        channel_id,
        'all' as dimension,
        'all' as dimension_value,
        'all' as dimension_label
    from int_channel_clock
    union
    select
        channel_id,
        'lead_source' as dimension,
        lead_source as dimension_value,
        lead_source as dimension_label
    from lead_source_attribution
    union
    select
        clock.channel_id,
        'lead_channel' as dimension,
        channels.lead_channel as dimension_value,
        channels.lead_channel as dimension_label
    from int_channel_clock as clock
    cross join seed_lead_channels as channels
    union
    select
        channel_id,
        'campaign' as dimension,
        campaign as dimension_value,
        campaign as dimension_label
    from int_lead_campaigns
    union
    select
        channel_id,
        'owner' as dimension,
        owner_id as dimension_value,
        owner_name as dimension_label
    from owners
    union
    select
        channel_id,
        'content_type' as dimension,
        content_type as dimension_value,
        content_type as dimension_label
    from int_content_types
    union
    select
        channel_id,
        'content' as dimension,
        content_id as dimension_value,
        coalesce(title, content_id) as dimension_label
    from stg_content_items
    union
    select
        channel_id,
        'topic' as dimension,
        topic as dimension_value,
        topic as dimension_label
    from int_content_topics
),

with_none as (
    select 'campaign' as dimension
    union all select 'owner'
    union all select 'content_type'
    union all select 'content'
    union all select 'topic'
)

select
    channel_id,
    dimension,
    dimension_value,
    dimension_label
from named
union all
select
    clock.channel_id,
    with_none.dimension,
    '(none)' as dimension_value,
    '(none)' as dimension_label
from int_channel_clock as clock
cross join with_none
