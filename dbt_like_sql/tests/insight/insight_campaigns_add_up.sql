-- The leads of all campaigns are the live leads, and their revenue is the one that content is credited with in the default
-- model.
with sums as (
    select
        channel_id,
        sum(n_leads) as n_leads,
        sum(won_revenue) as won_revenue,
        sum(case when n_matured > n_leads or n_leads < 0 then 1 else 0 end) as n_wrong
    from campaign
    group by channel_id
),

credited as (
    select
        channel_id,
        sum(credited_leads) as n_leads,
        sum(won_revenue) as won_revenue
    from content_performance
    where is_default
    group by channel_id
)

select sums.channel_id
from sums
inner join credited
    on sums.channel_id = credited.channel_id
where
    abs(sums.n_leads - credited.n_leads) >= 0.000001
    or sums.won_revenue <> credited.won_revenue
    or sums.n_wrong > 0
