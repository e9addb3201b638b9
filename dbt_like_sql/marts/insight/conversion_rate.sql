-- One row per channel, day, stage, definition and dimension value: the share of the leads that reached the stage. The rows
-- are computed when they are read, so a reader should name the channel.
select
    channel_id,
    as_of_date,
    as_of_utc,
    stage,
    definition,
    stage = 'deal' and definition = 'matured_30d' as is_headline,
    dimension,
    dimension_value,
    dimension_label,
    n_leads,
    n_converted,
    rate as conversion_rate,
    -- The rate is a limit too: at 0 and 1 the exact bound equals the rate, and a floating number may differ in its
    -- last digit.
    case
        when definition = 'km_30d' then km_ci_low
        when rate is not null then least(greatest(center - half_width, 0), rate)
    end as ci_low,
    case
        when definition = 'km_30d' then km_ci_high
        when rate is not null then greatest(least(center + half_width, 1), rate)
    end as ci_high,
    n_immature,
    cast(
        case
            when coalesce(n_leads, 0) = 0 then 'no_leads'
            when n_leads < 5 then 'insufficient'
            when n_leads < 30 then 'small_sample'
            else 'ok'
        end as varchar
    ) as display_status,
    dimension <> 'topic' as is_additive
from (
    select
        *,
        (rate + z * z / (2 * n)) / (1 + z * z / n) as center,
        z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n) as half_width
    from (
        select
            *,
            case
                when definition = 'km_30d' then km_rate
                else cast(n_converted as double) / cast(nullif(n_leads, 0) as double)
            end as rate,
            cast(nullif(n_leads, 0) as double) as n,
            cast(1.959963984540054 as double) as z
        from (
            select
                counts.channel_id,
                counts.as_of_date,
                counts.as_of_utc,
                cast(stages.stage as varchar) as stage,
                cast(definitions.definition as varchar) as definition,
                counts.dimension,
                counts.dimension_value,
                counts.dimension_label,
                cast(
                    case definitions.definition
                        when 'matured_30d' then counts.n_matured_30d
                        when 'matured_30d_wide' then counts.n_matured_30d_wide
                        when 'matured_90d' then counts.n_matured_90d
                        when 'rolling_30d' then counts.n_immature
                        else counts.n_recent
                    end as bigint
                ) as n_leads,
                cast(
                    case definitions.definition
                        when 'matured_30d'
                            then
                                case stages.stage
                                    when 'any_conversion' then counts.any_conversion_matured_30d
                                    when 'deal' then counts.deal_matured_30d
                                    else counts.won_matured_30d
                                end
                        when 'matured_30d_wide'
                            then
                                case stages.stage
                                    when 'any_conversion' then counts.any_conversion_matured_30d_wide
                                    when 'deal' then counts.deal_matured_30d_wide
                                    else counts.won_matured_30d_wide
                                end
                        when 'matured_90d'
                            then
                                case stages.stage
                                    when 'any_conversion' then counts.any_conversion_matured_90d
                                    when 'deal' then counts.deal_matured_90d
                                    else counts.won_matured_90d
                                end
                        when 'rolling_30d'
                            then
                                case stages.stage
                                    when 'any_conversion' then counts.any_conversion_rolling_30d
                                    when 'deal' then counts.deal_rolling_30d
                                    else counts.won_rolling_30d
                                end
                        when 'km_30d'
                            then
                                case stages.stage
                                    when 'any_conversion' then counts.any_conversion_km_30d
                                    when 'deal' then counts.deal_km_30d
                                    else counts.won_km_30d
                                end
                        when 'ever'
                            then
                                case stages.stage
                                    when 'any_conversion' then counts.any_conversion_ever
                                    when 'deal' then counts.deal_ever
                                    else counts.won_ever
                                end
                    end as bigint
                ) as n_converted,
                cast(
                    case
                        when definitions.definition in ('rolling_30d', 'km_30d', 'ever') then counts.n_immature
                        when counts.n_immature is not null then 0
                    end as bigint
                ) as n_immature,
                case stages.stage
                    when 'any_conversion' then counts.any_conversion_km_rate
                    when 'deal' then counts.deal_km_rate
                    else counts.won_km_rate
                end as km_rate,
                case stages.stage
                    when 'any_conversion' then counts.any_conversion_km_ci_low
                    when 'deal' then counts.deal_km_ci_low
                    else counts.won_km_ci_low
                end as km_ci_low,
                case stages.stage
                    when 'any_conversion' then counts.any_conversion_km_ci_high
                    when 'deal' then counts.deal_km_ci_high
                    else counts.won_km_ci_high
                end as km_ci_high
            from conversion_rate_counts as counts
            cross join (
                select 'any_conversion' as stage
                union all select 'deal'
                union all select 'won'
            ) as stages
            cross join (
                select 'matured_30d' as definition
                union all select 'matured_30d_wide'
                union all select 'matured_90d'
                union all select 'rolling_30d'
                union all select 'km_30d'
                union all select 'ever'
            ) as definitions
        ) as counted
    ) as rated
) as bounded
union all
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
from conversion_rate_earlier
