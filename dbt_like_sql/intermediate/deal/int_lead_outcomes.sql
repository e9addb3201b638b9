-- One row per live lead: its conversion, deals and revenue. If Deals cannot be read, it is unknown whether the lead
-- has a deal.
with deal_figures as (
    select
        channel_id,
        zoho_lead_id,
        min(linked_at) as deal_linked_at,
        min(case when deal_state = 'won' then won_at end) as first_won_at,
        count(*) as n_deals,
        sum(case when deal_state = 'open' then 1 else 0 end) as n_open_deals,
        sum(case when deal_state = 'won' then 1 else 0 end) as n_won_deals,
        sum(case when deal_state = 'lost' then 1 else 0 end) as n_lost_deals,
        sum(case when deal_state = 'won' and link_basis = 'converted_deal' then home_amount end)
            as won_revenue_originating,
        sum(case when deal_state = 'won' then home_amount end) as won_revenue_all,
        sum(case when deal_state = 'won' and home_amount is null then 1 else 0 end) as won_deals_missing_amount
    from int_lead_deals
    group by channel_id, zoho_lead_id
)

select
    leads.channel_id,
    leads.zoho_lead_id,
    leads.created_at,
    leads.is_converted,
    leads.converted_at,
    case when leads.deals_readable then figures.zoho_lead_id is not null end as has_deal,
    figures.deal_linked_at,
    figures.first_won_at,
    case
        when leads.deals_readable
            then coalesce(figures.deal_linked_at <= leads.created_at + interval '30 days', false)
    end as deal_within_30d,
    cast(case when leads.deals_readable then coalesce(figures.n_deals, 0) end as bigint) as n_deals,
    cast(case when leads.deals_readable then coalesce(figures.n_open_deals, 0) end as bigint) as n_open_deals,
    cast(case when leads.deals_readable then coalesce(figures.n_won_deals, 0) end as bigint) as n_won_deals,
    cast(case when leads.deals_readable then coalesce(figures.n_lost_deals, 0) end as bigint) as n_lost_deals,
    case when leads.deals_readable then coalesce(figures.n_won_deals, 0) > 0 end as is_won,
    cast(case when leads.deals_readable then coalesce(figures.won_revenue_originating, 0) end as decimal(20, 4))
        as won_revenue_originating,
    cast(case when leads.deals_readable then coalesce(figures.won_revenue_all, 0) end as decimal(20, 4))
        as won_revenue_all,
    cast(case when leads.deals_readable then coalesce(figures.won_deals_missing_amount, 0) end as bigint)
        as won_deals_missing_amount
from int_live_leads as leads
left join deal_figures as figures
    on
        leads.channel_id = figures.channel_id
        and leads.zoho_lead_id = figures.zoho_lead_id
