-- One row per live lead: its source, as Zoho declares it and as the visit shows it.
with source_names as (
    select
        channel_id,
        raw_value,
        min(lead_source) as lead_source
    from stg_channel_lead_source_map
    group by channel_id, raw_value
),

observations as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        case
            when lower(trim(leads.lead_source)) not in ('', '-none-') then trim(leads.lead_source)
        end as declared_raw,
        sources.raw_value as utm_raw,
        sources.value as utm_value,
        referrers.host as referrer_host
    from int_live_leads as leads
    left join int_normal_values as sources
        on
            leads.channel_id = sources.channel_id
            and leads.zoho_lead_id = sources.side_id
            and sources.side = 'lead_creation'
            and sources.name = 'utm_source'
    left join int_normal_urls as referrers
        on
            leads.channel_id = referrers.channel_id
            and leads.zoho_lead_id = referrers.side_id
            and referrers.side = 'lead_creation'
            and referrers.name = 'referrer_url'
),

observed as (
    select
        *,
        coalesce(utm_value, referrer_host) as observed_value
    from observations
),

named as (
    select
        observed.channel_id,
        observed.zoho_lead_id,
        observed.declared_raw,
        observed.utm_raw,
        observed.utm_value,
        observed.referrer_host,
        coalesce(declared_own.lead_source, declared_common.lead_source, observed.declared_raw) as declared_source,
        coalesce(observed_own.lead_source, observed_common.lead_source, observed.observed_value) as observed_source
    from observed
    left join source_names as declared_own
        on
            observed.channel_id = declared_own.channel_id
            and lower(observed.declared_raw) = declared_own.raw_value
    left join seed_lead_source_map as declared_common
        on lower(observed.declared_raw) = declared_common.raw_value
    left join source_names as observed_own
        on
            observed.channel_id = observed_own.channel_id
            and observed.observed_value = observed_own.raw_value
    left join seed_lead_source_map as observed_common
        on observed.observed_value = observed_common.raw_value
)

select
    channel_id,
    zoho_lead_id,
    coalesce(declared_source, observed_source, 'Unknown') as lead_source,
    coalesce(declared_raw, utm_raw, referrer_host) as lead_source_raw,
    case
        when declared_raw is not null then 'picklist'
        when utm_value is not null then 'utm_source'
        when referrer_host is not null then 'referrer'
        else 'unknown'
    end as lead_source_basis,
    coalesce(lower(declared_source) <> lower(observed_source), false) as lead_source_conflict
from named
