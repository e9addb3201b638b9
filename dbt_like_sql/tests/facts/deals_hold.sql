-- The amounts of the won deals in the home currency are the attributed revenue and the amounts of the won deals without a
-- lead. Each deal of a lead is one of its deals, and no time in a stage is negative.
with won as (
    select
        channel_id,
        sum(amount_home) as amount,
        sum(case when zoho_lead_id is null then amount_home else 0 end) as amount_without_lead
    from deal
    where deal_state = 'won'
    group by channel_id
),

credited as (
    select
        channel_id,
        sum(won_revenue) as revenue
    from content_performance
    where is_default
    group by channel_id
),

per_lead as (
    select
        channel_id,
        zoho_lead_id,
        count(*) as n_deals
    from deal
    where zoho_lead_id is not null
    group by channel_id, zoho_lead_id
)

select
    credited.channel_id,
    'amounts' as problem
from credited
left join won
    on credited.channel_id = won.channel_id
where credited.revenue + coalesce(won.amount_without_lead, 0) <> coalesce(won.amount, 0)
union all
select
    attribution.channel_id,
    attribution.zoho_lead_id as problem
from lead_source_attribution as attribution
left join per_lead
    on
        attribution.channel_id = per_lead.channel_id
        and attribution.zoho_lead_id = per_lead.zoho_lead_id
where attribution.n_deals <> coalesce(per_lead.n_deals, 0)
union all
select
    channel_id,
    zoho_deal_id as problem
from deal
where
    days_in_stage < 0
    or (link_rule is null) <> (zoho_lead_id is null)
    or (won_at is null) <> (won_at_precision is null)
    or (won_at is not null and deal_state <> 'won')
