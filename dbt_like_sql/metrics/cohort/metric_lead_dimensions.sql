-- One row per lead of the last 180 days, dimension and value of the lead. Only for topic a lead has several values.
select
    channel_id,
    zoho_lead_id,
    'all' as dimension,
    'all' as dimension_value
from metric_lead_window
union all
select
    channel_id,
    zoho_lead_id,
    'lead_source' as dimension,
    lead_source as dimension_value
from metric_lead_window
union all
select
    channel_id,
    zoho_lead_id,
    'lead_channel' as dimension,
    lead_channel as dimension_value
from metric_lead_window
union all
select
    channel_id,
    zoho_lead_id,
    'campaign' as dimension,
    coalesce(campaign, '(none)') as dimension_value
from metric_lead_window
union all
select
    channel_id,
    zoho_lead_id,
    'owner' as dimension,
    coalesce(owner_id, '(none)') as dimension_value
from metric_lead_window
union all
select
    channel_id,
    zoho_lead_id,
    'content_type' as dimension,
    coalesce(content_type, '(none)') as dimension_value
from metric_lead_window
union all
select
    channel_id,
    zoho_lead_id,
    'content' as dimension,
    coalesce(content_id, '(none)') as dimension_value
from metric_lead_window
union all
select
    leads.channel_id,
    leads.zoho_lead_id,
    'topic' as dimension,
    coalesce(topics.topic, '(none)') as dimension_value
from metric_lead_window as leads
left join int_content_topics as topics
    on
        leads.channel_id = topics.channel_id
        and leads.content_id = topics.content_id
