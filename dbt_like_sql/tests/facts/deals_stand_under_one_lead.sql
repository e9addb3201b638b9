-- A deal belongs to one lead at most, and the deal counts of a lead match its deals.
with per_lead as (
    select
        channel_id,
        zoho_lead_id,
        count(distinct deal_id) as n_deals
    from int_lead_deals
    group by channel_id, zoho_lead_id
),

several as (
    select
        channel_id,
        deal_id
    from int_lead_deals
    group by channel_id, deal_id
    having count(*) > 1
)

select
    attribution.channel_id,
    attribution.zoho_lead_id as record_id
from lead_source_attribution as attribution
left join per_lead
    on
        attribution.channel_id = per_lead.channel_id
        and attribution.zoho_lead_id = per_lead.zoho_lead_id
where
    attribution.n_deals <> coalesce(per_lead.n_deals, 0)
    or attribution.n_open_deals + attribution.n_won_deals + attribution.n_lost_deals > attribution.n_deals
    or attribution.has_deal <> (attribution.n_deals > 0)
    or attribution.is_won <> (attribution.n_won_deals > 0)
union all
select
    channel_id,
    deal_id as record_id
from several
