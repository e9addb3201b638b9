-- One row per live lead created up to as_of, converted or not. States are today's.
select
    clock.channel_id,
    leads.zoho_lead_id,
    clock.as_of_utc,
    clock.timezone,
    clock.currency,
    clock.deals_readable,
    clock.activities_readable,
    leads.created_at,
    leads.created_at + spans.utc_offset_seconds * interval '1 second' as created_local,
    leads.modified_at,
    coalesce(leads.is_converted, false) as is_converted,
    leads.converted_at,
    leads.converted_contact_id,
    leads.converted_account_id,
    leads.converted_deal_id,
    leads.first_name,
    leads.last_name,
    leads.full_name,
    leads.email,
    leads.secondary_email,
    leads.phone,
    leads.mobile,
    leads.company,
    leads.designation,
    leads.website,
    leads.industry,
    leads.rating,
    leads.city,
    leads.state,
    leads.country,
    leads.lead_source,
    leads.lead_status,
    leads.owner_id,
    leads.owner_name,
    leads.custom_fields
from int_channel_clock as clock
inner join stg_leads as leads
    on clock.channel_id = leads.channel_id
left join int_zone_spans as spans
    on
        clock.timezone = spans.value
        and extract(year from leads.created_at) = spans.utc_year
        and leads.created_at >= spans.starts_at
        and leads.created_at < spans.ends_at
where
    clock.has_data
    and coalesce(leads.record_status, '') not in (
        select value from int_normal_texts where normal in ('trash', 'draft')
    )
    -- A lead whose Created_Time did not fit is still a lead, so the total includes it.
    and coalesce(leads.created_at <= clock.as_of_utc, true)
