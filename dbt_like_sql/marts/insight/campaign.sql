-- One row per campaign that live leads name (their own utm_campaign), and (none): its leads, their deals and revenue, and
-- the rate of the matured ones. last_touch credits one touch, so the revenue of a lead is whole.
with totals as (
    select
        leads.channel_id,
        coalesce(campaigns.campaign, '(none)') as campaign,
        count(*) as n_leads,
        sum(leads.n_deals) as n_deals,
        sum(leads.won_revenue_all) as won_revenue,
        min(leads.created_at) as first_lead_at,
        max(leads.created_at) as last_lead_at
    from lead_source_attribution as leads
    left join int_lead_campaigns as campaigns
        on
            leads.channel_id = campaigns.channel_id
            and leads.zoho_lead_id = campaigns.zoho_lead_id
    group by leads.channel_id, coalesce(campaigns.campaign, '(none)')
)

select
    rates.channel_id,
    rates.dimension_value as campaign,
    case when clock.has_data then cast(coalesce(totals.n_leads, 0) as bigint) end as n_leads,
    case when clock.has_data and clock.deals_readable then cast(coalesce(totals.n_deals, 0) as bigint) end as n_deals,
    case
        when clock.has_data and clock.deals_readable
            then cast(coalesce(totals.won_revenue, 0) as decimal(20, 4))
    end as won_revenue,
    clock.currency,
    rates.conversion_rate,
    rates.n_leads as n_matured,
    rates.ci_low,
    rates.ci_high,
    totals.first_lead_at,
    totals.last_lead_at,
    clock.as_of_utc
from conversion_rate as rates
inner join int_channel_clock as clock
    on
        rates.channel_id = clock.channel_id
        and rates.as_of_date = clock.as_of_date
left join totals
    on
        rates.channel_id = totals.channel_id
        and rates.dimension_value = totals.campaign
where
    rates.stage = 'deal'
    and rates.definition = 'matured_30d'
    and rates.dimension = 'campaign'
