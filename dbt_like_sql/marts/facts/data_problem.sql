-- One row per record of which a cell is impossible, and per problem. The record is counted wherever it can be.
with found_times as (
    select channel_id, 'Leads' as module, zoho_lead_id as record_id, impossible_times as detail
    from stg_leads where impossible_times is not null
    union all
    select channel_id, 'Contacts' as module, contact_id as record_id, impossible_times as detail
    from stg_contacts where impossible_times is not null
    union all
    select channel_id, 'Accounts' as module, account_id as record_id, impossible_times as detail
    from stg_accounts where impossible_times is not null
    union all
    select channel_id, 'Deals' as module, deal_id as record_id, impossible_times as detail
    from stg_deals where impossible_times is not null
    union all
    select channel_id, 'Calls' as module, call_id as record_id, impossible_times as detail
    from stg_calls where impossible_times is not null
    union all
    select channel_id, 'Events' as module, event_id as record_id, impossible_times as detail
    from stg_events where impossible_times is not null
    union all
    select channel_id, 'Tasks' as module, task_id as record_id, impossible_times as detail
    from stg_tasks where impossible_times is not null
    union all
    select channel_id, 'Notes' as module, note_id as record_id, impossible_times as detail
    from stg_notes where impossible_times is not null
    union all
    select channel_id, 'Campaigns' as module, campaign_id as record_id, impossible_times as detail
    from stg_campaigns where impossible_times is not null
    union all
    select channel_id, 'Emails' as module, email_id as record_id, impossible_times as detail
    from stg_emails where impossible_times is not null
    union all
    select channel_id, 'Deals' as module, deal_id as record_id, 'stage history' as detail
    from stg_deal_stage_history where impossible_times is not null and deal_id is not null
    union all
    select channel_id, 'Leads' as module, zoho_lead_id as record_id, 'status history' as detail
    from stg_lead_status_history where impossible_times is not null and zoho_lead_id is not null
    union all
    select channel_id, 'content_items' as module, content_id as record_id, impossible_times as detail
    from stg_content_items where impossible_times is not null
    union all
    select fields.channel_id, 'Leads' as module, fields.zoho_lead_id as record_id,
        'time of the first visit ' || fields.first_visited_time as detail
    from int_lead_fields as fields
    inner join int_time_texts as times
        on fields.first_visited_time = times.value
    where times.is_impossible
    union all
    select channel_id, module, record_id, impossible_times as detail from int_rejected_times
),

impossible_times as (
    select
        channel_id,
        module,
        record_id,
        'impossible_time' as problem,
        string_agg(detail, ', ' order by detail collate "C" nulls first) as detail,
        'The time is null: the record stands in no week or month, and in no duration that needs it.' as consequence
    from (select distinct channel_id, module, record_id, detail from found_times) as distinct_times
    group by channel_id, module, record_id
),

without_creation as (
    select channel_id, 'Leads' as module, zoho_lead_id as record_id
    from stg_leads
    where created_at is null and coalesce(strpos(impossible_times, 'Created_Time'), 0) = 0
    union all
    select channel_id, 'Deals' as module, deal_id as record_id
    from stg_deals
    where created_at is null and coalesce(strpos(impossible_times, 'Created_Time'), 0) = 0
),

-- A source that a map calls Unknown, and a campaign that is called (none).
reserved_values as (
    select channel_id, zoho_lead_id, 'lead source ' || lead_source_raw as detail
    from lead_source_attribution
    where lead_source = 'Unknown' and lead_source_basis <> 'unknown'
    union all
    select channel_id, record_id as zoho_lead_id, 'campaign ' || utm_campaign_shown as detail
    from int_touch_inputs
    where touch_type = 'lead_creation' and utm_campaign = '(none)'
),

-- A topic and a content type that are called (none).
reserved_words as (
    select
        items.channel_id,
        items.content_id,
        'topic ' || topics.topic as detail,
        'The topic is left out: it cannot be told from the row (none) of leads without a topic.' as consequence
    from stg_content_items as items
    inner join int_topic_texts as topics
        on items.topics = topics.value
    where topics.normal = '(none)'
    union all
    select
        items.channel_id,
        items.content_id,
        'content type ' || texts.shown as detail,
        'The content type is left out: it cannot be told from the row (none) of leads without content.' as consequence
    from stg_content_items as items
    inner join int_normal_texts as texts
        on items.content_type = texts.value
    where texts.normal = '(none)'
),

problems as (
    select
        channel_id,
        module,
        record_id,
        problem,
        detail,
        consequence
    from impossible_times
    union all
    select
        missing.channel_id,
        missing.module,
        missing.record_id,
        'no_creation_time' as problem,
        'Created_Time is empty' as detail,
        case missing.module
            when 'Leads'
                then 'The lead counts in totals, but in no week, month, rate or waiting time.'
            else 'The deal belongs to a lead only if the conversion of the lead names it.'
        end as consequence
    from without_creation as missing
    left join int_rejected_times as rejected
        on
            missing.channel_id = rejected.channel_id
            and missing.module = rejected.module
            and missing.record_id = rejected.record_id
            and rejected.is_creation
    where rejected.record_id is null
    union all
    select
        channels.channel_id,
        'channels' as module,
        channels.channel_id as record_id,
        'unknown_zone' as problem,
        'time zone ' || coalesce(channels.timezone, '') as detail,
        'The channel counts in UTC. Set its zone with channels set --timezone.' as consequence
    from stg_channels as channels
    left join int_zone_texts as zones
        on channels.timezone = zones.value
    where not coalesce(zones.is_known, false)
    union all
    select
        channel_id,
        'business_intervals' as module,
        cast(iso_weekday as varchar) || '/' || cast(start_second as varchar) as record_id,
        'overlapping_openings' as problem,
        'weekday ' || cast(iso_weekday as varchar) || ': seconds ' || cast(start_second as varchar) || ' to '
        || cast(end_second as varchar) || ' overlap seconds ' || cast(other_start_second as varchar) || ' to '
        || cast(other_end_second as varchar) as detail,
        'The openings are joined.' as consequence
    from int_overlapping_openings
    union all
    select
        channel_id,
        'content_items' as module,
        content_id as record_id,
        'reserved_id' as problem,
        'content_id ' || content_id as detail,
        'The item is left out of the catalogue: its leads stand under (none). Load it with another id.' as consequence
    from stg_reserved_content_items
    union all
    select
        channel_id,
        'Leads' as module,
        zoho_lead_id as record_id,
        'reserved_id' as problem,
        string_agg(detail, ', ' order by detail collate "C" nulls first) as detail,
        'The value counts as none: the lead stands under Unknown or (none).' as consequence
    from reserved_values
    group by channel_id, zoho_lead_id
    union all
    select
        channel_id,
        'content_items' as module,
        content_id as record_id,
        'reserved_id' as problem,
        string_agg(detail, ', ' order by detail collate "C" nulls first) as detail,
        string_agg(consequence, ' ' order by detail collate "C" nulls first) as consequence
    from reserved_words
    group by channel_id, content_id
)

select
    problems.channel_id,
    cast(problems.module as varchar) as module,
    cast(problems.record_id as varchar) as record_id,
    cast(problems.problem as varchar) as problem,
    cast(problems.detail as varchar) as detail,
    cast(problems.consequence as varchar) as consequence,
    clock.as_of_utc
from problems
inner join int_channel_clock as clock
    on problems.channel_id = clock.channel_id
