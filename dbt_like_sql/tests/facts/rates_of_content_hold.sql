-- There are at most as many conversions as leads, and the rate lies in its interval.
select
    channel_id,
    content_id,
    model
from content_performance
where
    n_converted > n_leads
    or n_leads > credited_leads
    or ci_low > conversion_rate
    or ci_high < conversion_rate
    or (n_leads > 0 and n_converted is not null and conversion_rate is null)
