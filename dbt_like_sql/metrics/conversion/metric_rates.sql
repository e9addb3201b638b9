-- One row per rate that has an interval: counts, rate and the Wilson 95 % bounds, limited to [0, 1]; km_30d has the
-- bounds of Greenwood, because its leads were observed for different times. If Deals cannot be read, deals and wins are
-- unknown. Then leads are counted, and conversions and rates are null. The definition topic_evidence is the cohort of
-- topic_performance. The other definitions are those of conversion_rate.
with stages as (
    select 'any_conversion' as stage
    union all select 'deal'
    union all select 'won'
),

definitions as (
    select 'matured_30d' as definition
    union all select 'matured_30d_wide'
    union all select 'matured_90d'
    union all select 'rolling_30d'
    union all select 'km_30d'
    union all select 'ever'
),

-- A value joins its counts before it is taken once per definition, because a join of texts costs most here.
counts_of_values as (
    select
        dimension_values.channel_id,
        stages.stage,
        dimension_values.dimension,
        dimension_values.dimension_value,
        dimension_values.dimension_label,
        stages.stage = 'any_conversion' or clock.deals_readable as is_known,
        counts.n_matured,
        counts.x_matured,
        counts.n_matured_wide,
        counts.x_matured_wide,
        counts.n_matured_90d,
        counts.x_matured_90d,
        counts.n_immature,
        counts.x_immature,
        counts.n_leads,
        counts.x_30d,
        counts.x_ever,
        survival.converted_rate as survival_rate,
        survival.ci_low as survival_low,
        survival.ci_high as survival_high
    from metric_dimension_values as dimension_values
    inner join int_channel_clock as clock
        on dimension_values.channel_id = clock.channel_id
    cross join stages
    left join metric_conversion_counts as counts
        on
            dimension_values.channel_id = counts.channel_id
            and stages.stage = counts.stage
            and dimension_values.dimension = counts.dimension
            and dimension_values.dimension_value = counts.dimension_value
    left join metric_conversion_survival as survival
        on
            dimension_values.channel_id = survival.channel_id
            and stages.stage = survival.stage
            and dimension_values.dimension = survival.dimension
            and dimension_values.dimension_value = survival.dimension_value
),

conversions as (
    select
        counts.channel_id,
        counts.stage,
        definitions.definition,
        counts.dimension,
        counts.dimension_value,
        counts.dimension_label,
        counts.is_known,
        case definitions.definition
            when 'matured_30d' then counts.n_matured
            when 'matured_30d_wide' then counts.n_matured_wide
            when 'matured_90d' then counts.n_matured_90d
            when 'rolling_30d' then counts.n_immature
            else counts.n_leads
        end as n_leads,
        case definitions.definition
            when 'matured_30d' then counts.x_matured
            when 'matured_30d_wide' then counts.x_matured_wide
            when 'matured_90d' then counts.x_matured_90d
            when 'rolling_30d' then counts.x_immature
            when 'km_30d' then counts.x_30d
            else counts.x_ever
        end as n_converted,
        case when definitions.definition in ('rolling_30d', 'km_30d', 'ever') then counts.n_immature else 0 end
            as n_immature,
        counts.survival_rate,
        counts.survival_low,
        counts.survival_high
    from counts_of_values as counts
    cross join definitions
),

counted as (
    select
        channel_id,
        stage,
        definition,
        dimension,
        dimension_value,
        dimension_label,
        coalesce(n_leads, 0) as n_leads,
        case when is_known then coalesce(n_converted, 0) end as n_converted,
        coalesce(n_immature, 0) as n_immature,
        case
            when not is_known then null
            when definition = 'km_30d' then survival_rate
            when n_leads > 0 then cast(n_converted as double) / cast(n_leads as double)
        end as rate,
        -- If Deals cannot be read, no event is seen, and without an event there are no bounds.
        survival_low,
        survival_high
    from conversions
    union all
    select
        channel_id,
        'deal' as stage,
        'topic_evidence' as definition,
        'topic' as dimension,
        topic as dimension_value,
        topic as dimension_label,
        n_leads,
        n_converted,
        0 as n_immature,
        case
            when n_leads > 0 then cast(n_converted as double) / cast(n_leads as double)
        end as rate,
        null as survival_low,
        null as survival_high
    from metric_topic_counts
),

wilson as (
    select
        *,
        cast(n_leads as double) as n,
        cast(1.959963984540054 as double) as z
    from counted
),

bounds as (
    select
        *,
        case when rate is not null then (rate + z * z / (2 * n)) / (1 + z * z / n) end as center,
        case
            when rate is not null
                then z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        end as half_width
    from wilson
)

select
    channel_id,
    stage,
    definition,
    dimension,
    dimension_value,
    dimension_label,
    cast(n_leads as bigint) as n_leads,
    cast(n_converted as bigint) as n_converted,
    cast(n_immature as bigint) as n_immature,
    rate,
    -- The rate is a limit too: at 0 and 1 the exact bound equals the rate, and a floating number may differ in its
    -- last digit.
    case
        when definition = 'km_30d' then survival_low
        when rate is null then null
        when center - half_width < 0 then cast(0 as double)
        when center - half_width > rate then rate
        else center - half_width
    end as ci_low,
    case
        when definition = 'km_30d' then survival_high
        when rate is null then null
        when center + half_width > 1 then cast(1 as double)
        when center + half_width < rate then rate
        else center + half_width
    end as ci_high
from bounds
