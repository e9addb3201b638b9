-- One row per channel and local week (from Monday) or month: from the period of the first lead to the running period.
-- A period without leads has a row with zero.
with grains as (
    select 'week' as grain
    union all select 'month'
),

running as (
    select
        clock.channel_id,
        clock.has_data,
        clock.as_of_utc,
        grains.grain,
        cast(
            case grains.grain
                when 'week' then date_trunc('week', clock.as_of_local)
                else date_trunc('month', clock.as_of_local)
            end as date
        ) as period_start
    from int_channel_clock as clock
    cross join grains
),

leads as (
    select
        attribution.channel_id,
        grains.grain,
        cast(
            case grains.grain
                when 'week' then date_trunc('week', attribution.created_local)
                else date_trunc('month', attribution.created_local)
            end as date
        ) as period_start
    from lead_source_attribution as attribution
    cross join grains
),

counts as (
    select
        channel_id,
        grain,
        period_start,
        count(*) as n_leads
    from leads
    group by channel_id, grain, period_start
),

spans as (
    select
        running.channel_id,
        running.grain,
        running.period_start as last_start,
        coalesce(min(counts.period_start), running.period_start) as first_start
    from running
    left join counts
        on
            running.channel_id = counts.channel_id
            and running.grain = counts.grain
    group by
        running.channel_id,
        running.grain,
        running.period_start
),

numbered as (
    select
        spans.channel_id,
        spans.grain,
        spans.last_start,
        cast(
            case spans.grain
                when 'week' then spans.first_start + interval '7 days' * numbers.n
                else spans.first_start + interval '1 month' * numbers.n
            end as date
        ) as period_start
    from spans
    -- No period is shorter than a day, so that more numbers than days are never needed.
    inner join int_numbers as numbers
        on numbers.n <= date_diff('day', spans.first_start, spans.last_start)
),

periods as (
    select
        channel_id,
        grain,
        period_start
    from numbered
    where period_start <= last_start
)

select
    periods.channel_id,
    cast(periods.grain as varchar) as grain,
    periods.period_start,
    case when running.has_data then cast(coalesce(counts.n_leads, 0) as bigint) end as n_leads,
    periods.period_start = running.period_start as is_partial,
    running.as_of_utc
from periods
inner join running
    on
        periods.channel_id = running.channel_id
        and periods.grain = running.grain
left join counts
    on
        periods.channel_id = counts.channel_id
        and periods.grain = counts.grain
        and periods.period_start = counts.period_start
