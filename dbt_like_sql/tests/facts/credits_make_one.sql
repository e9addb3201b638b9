-- Every credit lies in [0, 1], and the credits of a lead add up to 1 in each model. Every live lead has credits in
-- all five models.
with sums as (
    select
        channel_id,
        zoho_lead_id,
        model,
        sum(credit) as credit,
        min(credit) as lowest,
        max(credit) as highest
    from lead_touch_credit
    group by channel_id, zoho_lead_id, model
)

select
    leads.channel_id,
    leads.zoho_lead_id
from int_live_leads as leads
left join sums
    on
        leads.channel_id = sums.channel_id
        and leads.zoho_lead_id = sums.zoho_lead_id
group by leads.channel_id, leads.zoho_lead_id
having
    count(sums.model) <> 5
    or max(abs(sums.credit - 1)) >= 0.000000001
    or min(sums.lowest) < 0
    or max(sums.highest) > 1
