-- One row per channel: every parameter with its type. The channel's own value wins over the default of the seed.
with channel_values as (
    select
        channels.channel_id,
        defaults.name,
        coalesce(overrides.value, defaults.default_value) as value
    from stg_channels as channels
    cross join seed_parameters as defaults
    left join stg_channel_parameters as overrides
        on
            channels.channel_id = overrides.channel_id
            and defaults.name = overrides.name
)

select
    channel_id,
    max(case when name = 'exchange_rate_direction' then value end) as exchange_rate_direction,
    max(case when name = 'touch_window_days' then cast(value as integer) end) as touch_window_days,
    max(case when name = 'forms_window_days' then cast(value as integer) end) as forms_window_days,
    max(case when name = 'time_decay_half_life_days' then cast(value as double) end) as time_decay_half_life_days,
    max(case when name = 'content_grace_hours' then cast(value as integer) end) as content_grace_hours,
    max(case when name = 'deal_before_conversion_seconds' then cast(value as integer) end)
        as deal_before_conversion_seconds,
    max(case when name = 'contact_early_seconds' then cast(value as integer) end) as contact_early_seconds,
    max(case when name = 'stale_after_hours' then cast(value as integer) end) as stale_after_hours,
    max(case when name = 'topic_min_leads' then cast(value as integer) end) as topic_min_leads,
    max(case when name = 'topic_prior_leads' then cast(value as double) end) as topic_prior_leads,
    max(case when name = 'topic_min_confidence' then cast(value as decimal(3, 2)) end) as topic_min_confidence,
    max(case when name = 'topic_max_suggestions' then cast(value as integer) end) as topic_max_suggestions,
    max(case when name = 'trend_min_leads' then cast(value as integer) end) as trend_min_leads,
    max(case when name = 'trend_z' then cast(value as double) end) as trend_z
from channel_values
group by channel_id
