-- One row per lead of the last 180 days, dimension and value of the lead. Only for topic a lead has several values.
select
    channel_id,
    lead_no,
    is_recent,
    'all' as dimension,
    'all' as dimension_value
from metric_lead_window
union all
select
    channel_id,
    lead_no,
    is_recent,
    'lead_source' as dimension,
    lead_source as dimension_value
from metric_lead_window
union all
select
    channel_id,
    lead_no,
    is_recent,
    'lead_channel' as dimension,
    lead_channel as dimension_value
from metric_lead_window
union all
select
    channel_id,
    lead_no,
    is_recent,
    'campaign' as dimension,
    coalesce(campaign, '(none)') as dimension_value
from metric_lead_window
union all
select
    channel_id,
    lead_no,
    is_recent,
    'owner' as dimension,
    coalesce(owner_id, '(none)') as dimension_value
from metric_lead_window
union all
select
    channel_id,
    lead_no,
    is_recent,
    'content_type' as dimension,
    coalesce(content_type, '(none)') as dimension_value
from metric_lead_window
union all
select
    channel_id,
    lead_no,
    is_recent,
    'content' as dimension,
    coalesce(content_id, '(none)') as dimension_value
from metric_lead_window
union all
select
    leads.channel_id,
    leads.lead_no,
    leads.is_recent,
    'topic' as dimension,
    coalesce(topics.topic, '(none)') as dimension_value
from metric_lead_window as leads
left join int_content_topics as topics
    on
        leads.channel_id = topics.channel_id
        and leads.content_id = topics.content_id
