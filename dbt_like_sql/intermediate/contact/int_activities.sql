-- One row per activity that counts as contact, with the time that counts. Notes and edits never count.
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
        call_type in (select value from int_normal_texts where normal = 'outbound') as is_outbound,
        call_type in (select value from int_normal_texts where normal = 'inbound') as is_inbound,
        coalesce(call_status, '') in (select value from not_happened)
        or coalesce(outgoing_call_status, '') in (select value from not_happened)
        or coalesce(outbound_call_status, '') in (select value from not_happened) as did_not_happen,
        coalesce(
            call_duration_in_seconds,
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
            end,
            0
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

contact_tasks as (
    select
        channel_id,
        task_id,
        closed_at,
        who_id,
        what_id,
        se_module
    from stg_tasks
    where
        status in (select value from int_normal_texts where normal = 'completed')
        and subject in (select value from contact_subjects)
),

contacts_made as (
    select
        channel_id,
        'call' as activity_type,
        call_id as activity_id,
        started_at as activity_at,
        duration_seconds > 0 as is_conversation,
        who_id,
        what_id,
        se_module
    from calls
    where
        not did_not_happen
        and (is_outbound or (is_inbound and duration_seconds > 0))
    union all
    select
        channel_id,
        'meeting' as activity_type,
        event_id as activity_id,
        started_at as activity_at,
        true as is_conversation,
        who_id,
        what_id,
        se_module
    from stg_events
    where not coalesce(is_cancelled, false)
    union all
    select
        channel_id,
        'task' as activity_type,
        task_id as activity_id,
        closed_at as activity_at,
        false as is_conversation,
        who_id,
        what_id,
        se_module
    from contact_tasks
    union all
    select
        emails.channel_id,
        'email' as activity_type,
        emails.email_id as activity_id,
        emails.sent_at as activity_at,
        false as is_conversation,
        null as who_id,
        emails.record_id as what_id,
        emails.module as se_module
    from stg_emails as emails
    left join int_normal_texts as sources
        on emails.source = sources.value
    left join seed_automatic_email_sources as automatic
        on replace(sources.normal, ' ', '_') = automatic.email_source
    where
        emails.is_sent
        and automatic.email_source is null
)

select
    made.channel_id,
    made.activity_type,
    made.activity_id,
    made.activity_at,
    made.is_conversation,
    made.who_id,
    made.what_id,
    made.se_module
from contacts_made as made
inner join int_channel_clock as clock
    on made.channel_id = clock.channel_id
where
    made.activity_at <= clock.as_of_utc
    and clock.activities_readable
