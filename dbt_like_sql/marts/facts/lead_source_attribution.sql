select
    leads.channel_id,
    leads.zoho_lead_id,
    leads.created_at,
    leads.created_local,
    cast(date_trunc('month', leads.created_local) as date) as created_month,
    sources.lead_source,
    sources.lead_source_raw,
    sources.lead_source_basis,
    sources.lead_source_conflict,
    cast(channels.lead_channel as varchar) as lead_channel,
    inputs.utm_source_shown as utm_source,
    inputs.utm_medium_shown as utm_medium,
    inputs.utm_campaign_shown as utm_campaign,
    inputs.utm_term_shown as utm_term,
    inputs.utm_content_shown as utm_content,
    inputs.utm_id_shown as utm_id,
    inputs.click_id_kind,
    inputs.landing_host,
    inputs.landing_path,
    inputs.referrer_host,
    cast(inputs.touch_input_basis as varchar) as touch_input_basis,
    matches.match_rule,
    case when matches.content_id is null then 'none' else 'content' end as attribution_level,
    matches.content_id,
    content.source_activity_id,
    types.content_type,
    matches.match_confidence,
    matches.is_ambiguous,
    outcomes.is_converted,
    outcomes.converted_at,
    outcomes.has_deal,
    outcomes.deal_linked_at,
    -- Hundredths of a day are rounded in whole numbers, because DuckDB divides as doubles and would round differently
    -- from Postgres.
    case
        when outcomes.deal_linked_at < leads.created_at then cast(0 as decimal(12, 2))
        else
            cast(
                ((date_diff('second', leads.created_at, outcomes.deal_linked_at) + 432) // 864) * 0.01
                as decimal(12, 2)
            )
    end as days_to_deal,
    outcomes.deal_within_30d,
    coalesce(leads.created_at <= leads.as_of_utc - interval '30 days', false) as is_mature_30d,
    outcomes.n_deals,
    outcomes.n_open_deals,
    outcomes.n_won_deals,
    outcomes.n_lost_deals,
    outcomes.is_won,
    outcomes.won_revenue_originating,
    outcomes.won_revenue_all,
    leads.currency,
    outcomes.won_deals_missing_amount,
    leads.as_of_utc
from int_live_leads as leads
inner join int_lead_sources as sources
    on
        leads.channel_id = sources.channel_id
        and leads.zoho_lead_id = sources.zoho_lead_id
inner join int_lead_channels as channels
    on
        leads.channel_id = channels.channel_id
        and leads.zoho_lead_id = channels.zoho_lead_id
inner join int_touch_inputs as inputs
    on
        leads.channel_id = inputs.channel_id
        and leads.zoho_lead_id = inputs.record_id
        and inputs.touch_type = 'lead_creation'
inner join int_lead_matches as matches
    on
        leads.channel_id = matches.channel_id
        and leads.zoho_lead_id = matches.zoho_lead_id
inner join int_lead_outcomes as outcomes
    on
        leads.channel_id = outcomes.channel_id
        and leads.zoho_lead_id = outcomes.zoho_lead_id
left join stg_content_items as content
    on
        matches.channel_id = content.channel_id
        and matches.content_id = content.content_id
left join int_content_types as types
    on
        matches.channel_id = types.channel_id
        and matches.content_id = types.content_id
