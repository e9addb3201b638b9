-- The rate that people mean: matured leads with a deal within 30 days. It is written out, and not is_headline,
-- because rows of earlier days have no such flag.
select
    channel_id,
    as_of_date,
    as_of_utc,
    stage,
    definition,
    is_headline,
    dimension,
    dimension_value,
    dimension_label,
    n_leads,
    n_converted,
    conversion_rate,
    ci_low,
    ci_high,
    n_immature,
    display_status,
    is_additive
from conversion_rate
where
    stage = 'deal'
    and definition = 'matured_30d'
