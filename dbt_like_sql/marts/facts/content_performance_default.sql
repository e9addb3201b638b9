-- The content table of the default attribution model: a sum over all models would count each lead five times.
select
    channel_id,
    content_id,
    model,
    is_default,
    content_type,
    title,
    credited_leads,
    credited_deals,
    credited_won_deals,
    won_revenue,
    currency,
    n_leads,
    n_converted,
    conversion_rate,
    ci_low,
    ci_high,
    as_of_utc
from content_performance
where is_default
