-- One row per channel, dimension and value: counts, and the unrounded average, median and 95th percentile in seconds.
select
    dimensions.channel_id,
    dimensions.dimension,
    dimensions.dimension_value,
    count(*) as n_leads,
    sum(case when contacts.is_contacted then 1 else 0 end) as n_contacted,
    sum(case when contacts.is_waiting then 1 else 0 end) as n_uncontacted,
    sum(case when contacts.is_early then 1 else 0 end) as n_contact_before_creation,
    sum(case when contacts.is_converted_without_contact then 1 else 0 end) as n_converted_without_contact,
    sum(case when contacts.is_on_clock then 1 else 0 end) as n_on_clock,
    sum(case when contacts.is_on_clock and contacts.is_1h_old then 1 else 0 end) as n_1h_old,
    sum(
        case
            when contacts.is_on_clock and contacts.is_1h_old and contacts.seconds_to_first_contact <= 3600 then 1
            else 0
        end
    ) as n_within_1h,
    sum(case when contacts.is_on_clock and contacts.is_24h_old then 1 else 0 end) as n_24h_old,
    sum(
        case
            when contacts.is_on_clock and contacts.is_24h_old and contacts.seconds_to_first_contact <= 86400 then 1
            else 0
        end
    ) as n_within_24h,
    max(case when contacts.is_waiting then contacts.observed_seconds end) as oldest_uncontacted_seconds,
    cast(sum(contacts.seconds_to_first_contact) as double)
    / nullif(count(contacts.seconds_to_first_contact), 0) as avg_seconds,
    percentile_cont(0.5) within group (order by contacts.seconds_to_first_contact) as median_seconds,
    percentile_cont(0.95) within group (order by contacts.seconds_to_first_contact) as p95_seconds,
    cast(sum(contacts.business_seconds_to_first_contact) as double)
    / nullif(count(contacts.business_seconds_to_first_contact), 0) as avg_business_seconds,
    percentile_cont(0.5) within group (order by contacts.business_seconds_to_first_contact) as median_business_seconds
from metric_lead_dimensions as dimensions
inner join metric_contact_facts as contacts
    on dimensions.lead_no = contacts.lead_no
group by
    dimensions.channel_id,
    dimensions.dimension,
    dimensions.dimension_value
