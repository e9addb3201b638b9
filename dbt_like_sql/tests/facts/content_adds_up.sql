-- In each attribution model, the credited leads add up to the live leads. The attributed revenue and the revenue of
-- deals without a lead add up to the amount of all won deals in the home currency, to the smallest unit.
with content as (
    select
        channel_id,
        model,
        sum(credited_leads) as credited_leads,
        sum(won_revenue) as won_revenue
    from content_performance
    group by channel_id, model
),

deals as (
    select
        deals.channel_id,
        sum(case when deals.deal_state = 'won' then deals.home_amount else 0 end) as won_revenue,
        sum(case when deals.deal_state = 'won' and lead_deals.deal_id is null then deals.home_amount else 0 end)
            as revenue_without_lead
    from int_deals as deals
    left join int_lead_deals as lead_deals
        on
            deals.channel_id = lead_deals.channel_id
            and deals.deal_id = lead_deals.deal_id
    group by deals.channel_id
),

leads as (
    select
        channel_id,
        count(*) as n_leads
    from int_live_leads
    group by channel_id
)

select
    content.channel_id,
    content.model
from content
inner join int_channel_clock as clock
    on content.channel_id = clock.channel_id
left join leads
    on content.channel_id = leads.channel_id
left join deals
    on content.channel_id = deals.channel_id
where
    clock.has_data
    and (
        abs(content.credited_leads - coalesce(leads.n_leads, 0)) >= 0.000001
        or (
            clock.deals_readable
            and content.won_revenue + coalesce(deals.revenue_without_lead, 0) <> coalesce(deals.won_revenue, 0)
        )
    )
