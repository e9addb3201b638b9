select
    channel_id,
    dimension,
    dimension_value
from time_to_first_contact
where
    n_contacted + n_uncontacted + n_contact_before_creation + n_converted_without_contact <> n_leads
    or contacted_rate <> cast(n_contacted as double) / (n_contacted + n_uncontacted)
    or n_contacted < 0
    or n_uncontacted < 0
    or n_contact_before_creation < 0
    or n_converted_without_contact < 0
    or avg_contacted_seconds < 0
    or median_contacted_seconds < 0
    or p95_contacted_seconds < median_contacted_seconds
    or km_median_seconds < 0
    or oldest_uncontacted_seconds < 0
    or avg_contacted_business_seconds > avg_contacted_seconds
    or within_1h_rate > 1
    or within_24h_rate > 1
    or (coalesce(n_contacted, 0) = 0) <> (avg_contacted_seconds is null)
    or (coalesce(n_uncontacted, 0) = 0) <> (oldest_uncontacted_seconds is null)
    or (km_median_status = 'ok') <> (km_median_seconds is not null)
