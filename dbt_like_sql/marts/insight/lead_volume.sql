-- One row per channel and local week (from Monday) or month, from the first lead's to the running one, gaps as zeros.
with periods_of_leads as (
    select
        attribution.channel_id,
        cast(date_trunc('week', attribution.created_local) as date) as week_start,
        cast(date_trunc('month', attribution.created_local) as date) as month_start
    from lead_source_attribution as attribution
    inner join int_channel_clock as clock
        on attribution.channel_id = clock.channel_id
    where clock.has_data
),

counts as (
    select
        channel_id,
        'week' as grain,
        week_start as period_start,
        count(*) as n_leads
    from periods_of_leads
    group by channel_id, week_start
    union all
    select
        channel_id,
        'month' as grain,
        month_start as period_start,
        count(*) as n_leads
    from periods_of_leads
    group by channel_id, month_start
),

running as (
    select
        channel_id,
        has_data,
        as_of_utc,
        cast(date_trunc('week', as_of_local) as date) as week_start,
        cast(date_trunc('month', as_of_local) as date) as month_start
    from int_channel_clock
),

spans as (
    select
        running.channel_id,
        running.week_start as last_week,
        running.month_start as last_month,
        coalesce(min(periods_of_leads.week_start), running.week_start) as first_week,
        coalesce(min(periods_of_leads.month_start), running.month_start) as first_month
    from running
    left join periods_of_leads
        on running.channel_id = periods_of_leads.channel_id
    group by
        running.channel_id,
        running.week_start,
        running.month_start
),

periods as (
    select
        spans.channel_id,
        'week' as grain,
        cast(spans.first_week + interval '7 days' * numbers.n as date) as period_start
    from spans
    inner join int_numbers as numbers
        on spans.last_week >= spans.first_week + interval '7 days' * numbers.n
    union all
    select
        spans.channel_id,
        'month' as grain,
        cast(spans.first_month + interval '1 month' * numbers.n as date) as period_start
    from spans
    inner join int_numbers as numbers
        on spans.last_month >= spans.first_month + interval '1 month' * numbers.n
)

select
    periods.channel_id,
    cast(periods.grain as varchar) as grain,
    periods.period_start,
    case when running.has_data then cast(coalesce(counts.n_leads, 0) as bigint) end as n_leads,
    case
        when periods.grain = 'week' then periods.period_start = running.week_start
        else periods.period_start = running.month_start
    end as is_partial,
    running.as_of_utc
from periods
inner join running
    on periods.channel_id = running.channel_id
left join counts
    on
        periods.channel_id = counts.channel_id
        and periods.grain = counts.grain
        and periods.period_start = counts.period_start
