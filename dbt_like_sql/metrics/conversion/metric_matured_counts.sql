-- One row per channel with data: the matured leads of the last 90 days, and how many of them had a deal within 30
-- days.
select
    clock.channel_id,
    count(conversions.zoho_lead_id) as n_leads,
    case
        when clock.deals_readable then coalesce(sum(case when conversions.is_reached_30d then 1 else 0 end), 0)
    end as n_converted
from int_channel_clock as clock
left join metric_lead_window as leads
    on
        clock.channel_id = leads.channel_id
        and leads.is_matured_wide
left join metric_lead_conversions as conversions
    on
        leads.channel_id = conversions.channel_id
        and leads.zoho_lead_id = conversions.zoho_lead_id
        and conversions.stage = 'deal'
group by clock.channel_id, clock.deals_readable
