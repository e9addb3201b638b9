-- The rows of conversion_rate that earlier releases stored, when it was a table. No run adds rows; a run of the same day
-- replaces them by rows of conversion_rate_counts.
select
    channel_id,
    as_of_date,
    as_of_utc,
    cast(null as varchar) as stage,
    cast(null as varchar) as definition,
    cast(null as boolean) as is_headline,
    cast(null as varchar) as dimension,
    cast(null as varchar) as dimension_value,
    cast(null as varchar) as dimension_label,
    cast(null as bigint) as n_leads,
    cast(null as bigint) as n_converted,
    cast(null as double) as conversion_rate,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    cast(null as bigint) as n_immature,
    cast(null as varchar) as display_status,
    cast(null as boolean) as is_additive
from int_channel_clock
where 1 = 0
