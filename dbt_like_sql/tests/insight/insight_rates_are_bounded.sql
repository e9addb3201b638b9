-- The intervals of conversion_rate follow from these counts, but for those of km_30d. A rate of km_30d may have no interval.
select
    channel_id,
    'conversion_rate' as model,
    dimension_value as subject
from conversion_rate_counts
where
    any_conversion_matured_30d not between 0 and n_matured_30d
    or any_conversion_matured_30d_wide not between 0 and n_matured_30d_wide
    or any_conversion_matured_90d not between 0 and n_matured_90d
    or any_conversion_rolling_30d not between 0 and n_immature
    or any_conversion_km_30d not between 0 and n_recent
    or any_conversion_ever not between 0 and n_recent
    or deal_matured_30d not between 0 and n_matured_30d
    or deal_matured_30d_wide not between 0 and n_matured_30d_wide
    or deal_matured_90d not between 0 and n_matured_90d
    or deal_rolling_30d not between 0 and n_immature
    or deal_km_30d not between 0 and n_recent
    or deal_ever not between 0 and n_recent
    or won_matured_30d not between 0 and n_matured_30d
    or won_matured_30d_wide not between 0 and n_matured_30d_wide
    or won_matured_90d not between 0 and n_matured_90d
    or won_rolling_30d not between 0 and n_immature
    or won_km_30d not between 0 and n_recent
    or won_ever not between 0 and n_recent
    or any_conversion_km_rate < any_conversion_km_ci_low
    or any_conversion_km_rate > any_conversion_km_ci_high
    or any_conversion_km_ci_low < 0
    or any_conversion_km_ci_high > 1
    or any_conversion_km_rate not between 0 and 1
    or (any_conversion_km_rate is null and any_conversion_km_ci_low is not null)
    or (any_conversion_km_ci_low is null) <> (any_conversion_km_ci_high is null)
    or deal_km_rate < deal_km_ci_low
    or deal_km_rate > deal_km_ci_high
    or deal_km_ci_low < 0
    or deal_km_ci_high > 1
    or deal_km_rate not between 0 and 1
    or (deal_km_rate is null and deal_km_ci_low is not null)
    or (deal_km_ci_low is null) <> (deal_km_ci_high is null)
    or won_km_rate < won_km_ci_low
    or won_km_rate > won_km_ci_high
    or won_km_ci_low < 0
    or won_km_ci_high > 1
    or won_km_rate not between 0 and 1
    or (won_km_rate is null and won_km_ci_low is not null)
    or (won_km_ci_low is null) <> (won_km_ci_high is null)
union all
select
    channel_id,
    'topic_performance' as model,
    topic as subject
from topic_performance
where
    n_converted > n_leads
    or n_converted < 0
    or conversion_rate < ci_low
    or conversion_rate > ci_high
    or ci_low < 0
    or ci_high > 1
    or (conversion_rate is null) <> (ci_low is null)
    or (ci_low is null) <> (ci_high is null)
    or p_value < 0
    or p_value > 1
    or (evidence = 'strong' and coalesce(p_value > 0.05, n_topics_tested is not null))
    or rest_rate < 0
    or rest_rate > 1
