-- Every credit lies in [0, 1], and the credits of a lead add up to 1 in each model. Every live lead has credits in
-- all five models. One row per lead, and not per lead and model, costs a third.
with sums as (
    select
        channel_id,
        zoho_lead_id,
        min(credit) as lowest,
        max(credit) as highest,
        sum(case when model = 'first_touch' then credit end) as first_touch,
        sum(case when model = 'last_touch' then credit end) as last_touch,
        sum(case when model = 'linear' then credit end) as linear,
        sum(case when model = 'position_based' then credit end) as position_based,
        sum(case when model = 'time_decay' then credit end) as time_decay
    from lead_touch_credit
    group by channel_id, zoho_lead_id
)

select
    leads.channel_id,
    leads.zoho_lead_id
from int_live_leads as leads
left join sums
    on
        leads.channel_id = sums.channel_id
        and leads.zoho_lead_id = sums.zoho_lead_id
where
    coalesce(
        sums.lowest < 0
        or sums.highest > 1
        or abs(sums.first_touch - 1) >= 0.000000001
        or abs(sums.last_touch - 1) >= 0.000000001
        or abs(sums.linear - 1) >= 0.000000001
        or abs(sums.position_based - 1) >= 0.000000001
        or abs(sums.time_decay - 1) >= 0.000000001,
        -- a model has no credit
        true
    )
