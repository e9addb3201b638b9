-- One row per live activity up to as_of, with the time that counts, and whether it counts as contact. Notes and edits
-- are no activities. An activity without a time (an open task) is one from its creation on, and no contact.
with not_happened as (
    -- Zoho spells it Cancelled. Telephone systems send Canceled.
    select value from int_normal_texts where normal in ('scheduled', 'overdue', 'cancelled', 'canceled')
),

calls as (
    select
        channel_id,
        call_id,
        started_at,
        who_id,
        what_id,
        se_module,
        owner_id,
        owner_name,
        created_at,
        call_type in (select value from int_normal_texts where normal = 'outbound') as is_outbound,
        call_type in (select value from int_normal_texts where normal = 'inbound') as is_inbound,
        call_type in (select value from int_normal_texts where normal = 'missed') as is_missed,
        coalesce(call_status, '') in (select value from not_happened)
        or coalesce(outgoing_call_status, '') in (select value from not_happened)
        or coalesce(outbound_call_status, '') in (select value from not_happened) as did_not_happen,
        -- a telephone system sends -1 if it does not know the duration
        coalesce(
            case when call_duration_in_seconds >= 0 then call_duration_in_seconds end,
            case
                when regexp_matches(trim(call_duration), '^[0-9]{1,6}:[0-9]{1,2}$')
                    then
                        60 * cast(split_part(trim(call_duration), ':', 1) as bigint)
                        + cast(split_part(trim(call_duration), ':', 2) as bigint)
                when regexp_matches(trim(call_duration), '^[0-9]{1,4}:[0-9]{1,2}:[0-9]{1,2}$')
                    then
                        3600 * cast(split_part(trim(call_duration), ':', 1) as bigint)
                        + 60 * cast(split_part(trim(call_duration), ':', 2) as bigint)
                        + cast(split_part(trim(call_duration), ':', 3) as bigint)
            end
        ) as duration_seconds
    from stg_calls
),

-- The words of a subject have one blank before and after each, so that a plain search finds a phrase as whole words: a
-- regular expression that comes from a table took DuckDB 60 times as long.
contact_subjects as (
    select distinct subjects.value
    from int_subject_words as subjects
    inner join seed_contact_task_kinds as kinds
        on strpos(subjects.words, (' ' || kinds.phrase || ' ')) > 0
),

all_activities as (
    select
        channel_id,
        'call' as activity_type,
        call_id as activity_id,
        started_at as activity_at,
        not did_not_happen and (is_outbound or (is_inbound and duration_seconds > 0)) as is_contact,
        duration_seconds > 0 as is_two_way,
        case when is_outbound then 'outbound' when is_inbound or is_missed then 'inbound' end as direction,
        duration_seconds,
        who_id,
        what_id,
        se_module,
        owner_id,
        owner_name,
        created_at
    from calls
    union all
    select
        channel_id,
        'meeting' as activity_type,
        event_id as activity_id,
        started_at as activity_at,
        not coalesce(is_cancelled, false) as is_contact,
        true as is_two_way,
        null as direction,
        case when ended_at >= started_at then date_diff('second', started_at, ended_at) end as duration_seconds,
        who_id,
        what_id,
        se_module,
        owner_id,
        owner_name,
        created_at
    from stg_events
    union all
    select
        channel_id,
        'task' as activity_type,
        task_id as activity_id,
        closed_at as activity_at,
        status in (select value from int_normal_texts where normal = 'completed')
        and subject in (select value from contact_subjects) as is_contact,
        false as is_two_way,
        null as direction,
        null as duration_seconds,
        who_id,
        what_id,
        se_module,
        owner_id,
        owner_name,
        created_at
    from stg_tasks
    union all
    select
        emails.channel_id,
        'email' as activity_type,
        emails.email_id as activity_id,
        emails.sent_at as activity_at,
        emails.is_sent and automatic.email_source is null as is_contact,
        false as is_two_way,
        case when emails.is_sent then 'outbound' when not emails.is_sent then 'inbound' end as direction,
        null as duration_seconds,
        null as who_id,
        emails.record_id as what_id,
        emails.module as se_module,
        emails.owner_id,
        emails.owner_name,
        null as created_at
    from stg_emails as emails
    left join int_normal_texts as sources
        on emails.source = sources.value
    left join seed_automatic_email_sources as automatic
        on replace(sources.normal, ' ', '_') = automatic.email_source
)

select
    activities.channel_id,
    cast(activities.activity_type as varchar) as activity_type,
    activities.activity_id,
    activities.activity_at,
    coalesce(activities.is_contact and activities.activity_at is not null, false) as is_contact,
    coalesce(activities.is_contact and activities.activity_at is not null and activities.is_two_way, false)
        as is_conversation,
    cast(activities.direction as varchar) as direction,
    cast(activities.duration_seconds as bigint) as duration_seconds,
    activities.who_id,
    activities.what_id,
    modules.normal as about_module,
    activities.owner_id,
    activities.owner_name
from all_activities as activities
inner join int_channel_clock as clock
    on activities.channel_id = clock.channel_id
left join int_normal_texts as modules
    on activities.se_module = modules.value
where
    clock.has_data
    and clock.activities_readable
    and coalesce(coalesce(activities.activity_at, activities.created_at) <= clock.as_of_utc, true)
