-- One row per deal that belongs to a live lead. A deal belongs to one lead at most.
with conversion_links as (
    select
        deals.channel_id,
        deals.deal_id,
        leads.zoho_lead_id,
        'converted_deal' as link_basis,
        1 as link_order,
        leads.converted_at,
        deals.created_at as deal_created_at,
        coalesce(leads.converted_at, deals.created_at) as linked_at
    from int_live_leads as leads
    inner join int_deals as deals
        on
            leads.channel_id = deals.channel_id
            and leads.converted_deal_id = deals.deal_id
),

contact_links as (
    select
        deals.channel_id,
        deals.deal_id,
        leads.zoho_lead_id,
        'contact_match' as link_basis,
        2 as link_order,
        leads.converted_at,
        deals.created_at as deal_created_at,
        deals.created_at as linked_at
    from int_live_leads as leads
    inner join int_parameters as parameters
        on leads.channel_id = parameters.channel_id
    inner join int_deals as deals
        on
            leads.channel_id = deals.channel_id
            and leads.converted_contact_id = deals.contact_id
    where
        deals.created_at >= leads.converted_at - parameters.deal_before_conversion_seconds * interval '1 second'
),

all_links as (
    select * from conversion_links
    union all
    select * from contact_links
),

-- The latest conversion up to the creation of the deal wins. A conversion in the hour after it counts only if there
-- is none before.
ranked as (
    select
        *,
        row_number() over (
            partition by channel_id, deal_id
            order by
                link_order,
                case when converted_at <= deal_created_at then 0 else 1 end,
                abs(date_diff('second', converted_at, deal_created_at)),
                length(zoho_lead_id),
                zoho_lead_id collate "C"
        ) as link_rank
    from all_links
)

select
    ranked.channel_id,
    ranked.deal_id,
    ranked.zoho_lead_id,
    ranked.link_basis,
    ranked.linked_at,
    deals.created_at,
    deals.deal_state,
    deals.home_amount,
    deals.currency,
    deals.won_at,
    deals.won_at_precision
from ranked
inner join int_deals as deals
    on
        ranked.channel_id = deals.channel_id
        and ranked.deal_id = deals.deal_id
where ranked.link_rank = 1
