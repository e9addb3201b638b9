-- The leads, the waiting leads and the matured leads of all owners are those of the channel, and what they have won is at
-- most what was won.
with sums as (
    select
        channel_id,
        sum(n_leads_90d) as n_leads,
        sum(n_waiting) as n_waiting,
        sum(conversion_rate_30d_n) as n_matured,
        sum(won_revenue_90d) as won_revenue
    from owner
    group by channel_id
),

won as (
    select
        channel_id,
        sum(amount_home) as amount
    from deal
    where deal_state = 'won' and amount_home > 0
    group by channel_id
)

select sums.channel_id
from sums
inner join time_to_first_contact as times
    on
        sums.channel_id = times.channel_id
        and times.dimension = 'all'
inner join conversion_rate as rates
    on
        sums.channel_id = rates.channel_id
        and rates.stage = 'deal'
        and rates.definition = 'matured_30d'
        and rates.dimension = 'all'
left join won
    on sums.channel_id = won.channel_id
where
    sums.n_leads <> times.n_leads
    or (sums.n_leads is null) <> (times.n_leads is null)
    or sums.n_waiting <> times.n_uncontacted
    or sums.n_matured <> rates.n_leads
    or sums.won_revenue > coalesce(won.amount, 0)
