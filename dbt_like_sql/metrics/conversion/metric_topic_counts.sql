-- One row per topic of the catalogue: the matured leads of the last 90 days whose last-touch content carries the
-- topic, and how many of them had a deal within 30 days. The content match must have enough confidence.
with cohort as (
    select
        leads.channel_id,
        leads.content_id,
        topics.topic,
        case when conversions.is_reached_30d then 1 else 0 end as is_converted
    from metric_lead_window as leads
    inner join int_parameters as parameters
        on leads.channel_id = parameters.channel_id
    inner join int_content_topics as topics
        on
            leads.channel_id = topics.channel_id
            and leads.content_id = topics.content_id
    inner join metric_lead_conversions as conversions
        on
            leads.channel_id = conversions.channel_id
            and leads.zoho_lead_id = conversions.zoho_lead_id
            and conversions.stage = 'deal'
    where
        leads.is_matured_wide
        and leads.match_confidence >= parameters.topic_min_confidence
),

counts as (
    select
        channel_id,
        topic,
        count(*) as n_leads,
        sum(is_converted) as n_converted,
        count(distinct content_id) as n_content
    from cohort
    group by channel_id, topic
),

topics as (
    select distinct
        channel_id,
        topic
    from int_content_topics
)

select
    topics.channel_id,
    topics.topic,
    coalesce(counts.n_leads, 0) as n_leads,
    case when clock.deals_readable then coalesce(counts.n_converted, 0) end as n_converted,
    coalesce(counts.n_content, 0) as n_content
from topics
inner join int_channel_clock as clock
    on topics.channel_id = clock.channel_id
left join counts
    on
        topics.channel_id = counts.channel_id
        and topics.topic = counts.topic
