-- One row per live lead created in (as_of - 90 d, as_of]. Every rate and every time is computed over these leads.
select
    attribution.channel_id,
    attribution.zoho_lead_id,
    attribution.created_at,
    clock.as_of_utc,
    attribution.lead_source,
    attribution.content_id,
    attribution.content_type,
    attribution.match_confidence,
    attribution.created_at <= clock.as_of_utc - interval '30 days' as is_mature,
    attribution.created_at <= clock.as_of_utc - interval '30 days'
        and attribution.created_at > clock.as_of_utc - interval '60 days' as is_headline,
    cast(
        date_diff('second', attribution.created_at, date_trunc('second', clock.as_of_utc)) as bigint
    ) as age_seconds
from lead_source_attribution as attribution
inner join int_channel_clock as clock
    on attribution.channel_id = clock.channel_id
where
    clock.has_data
    and attribution.created_at <= clock.as_of_utc
    and attribution.created_at > clock.as_of_utc - interval '90 days'
