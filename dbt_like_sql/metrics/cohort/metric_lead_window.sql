-- One row per live lead created in (as_of - 180 d, as_of], and the cohorts that it is in. Every rate and every time is
-- computed over these leads, or over those of a cohort.
select
    attribution.channel_id,
    attribution.zoho_lead_id,
    -- A number joins faster than two texts, and every lead has a row per dimension. It means nothing outside this run.
    row_number() over () as lead_no,
    attribution.created_at,
    clock.as_of_utc,
    attribution.lead_source,
    attribution.lead_channel,
    campaigns.campaign,
    leads.owner_id,
    attribution.content_id,
    attribution.content_type,
    attribution.match_confidence,
    attribution.created_at > clock.as_of_utc - interval '90 days' as is_recent,
    attribution.created_at > clock.as_of_utc - interval '30 days' as is_immature,
    attribution.created_at <= clock.as_of_utc - interval '30 days'
        and attribution.created_at > clock.as_of_utc - interval '60 days' as is_matured,
    attribution.created_at <= clock.as_of_utc - interval '30 days'
        and attribution.created_at > clock.as_of_utc - interval '90 days' as is_matured_wide,
    attribution.created_at <= clock.as_of_utc - interval '90 days' as is_matured_90d,
    cast(
        date_diff('second', attribution.created_at, date_trunc('second', clock.as_of_utc)) as bigint
    ) as age_seconds
from lead_source_attribution as attribution
inner join int_channel_clock as clock
    on attribution.channel_id = clock.channel_id
inner join int_live_leads as leads
    on
        attribution.channel_id = leads.channel_id
        and attribution.zoho_lead_id = leads.zoho_lead_id
left join int_lead_campaigns as campaigns
    on
        attribution.channel_id = campaigns.channel_id
        and attribution.zoho_lead_id = campaigns.zoho_lead_id
where
    clock.has_data
    and attribution.created_at <= clock.as_of_utc
    and attribution.created_at > clock.as_of_utc - interval '180 days'
