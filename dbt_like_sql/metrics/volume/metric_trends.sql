-- One row per channel: the leads of the last four full local weeks (a) and of the four before (b), how far the weeks
-- scatter, and z, which says how far a and b differ for that scatter.
with points as (
    select
        channel_id,
        as_of_utc,
        date_trunc('week', as_of_local) as this_week
    from int_channel_clock
),

placed as (
    select
        points.channel_id,
        leads.created_local >= points.this_week - interval '28 days' as is_newer,
        date_trunc('week', leads.created_local) as week_start
    from points
    inner join lead_source_attribution as leads
        on
            points.channel_id = leads.channel_id
            and points.as_of_utc >= leads.created_at
            and points.this_week > leads.created_local
            and points.this_week - interval '56 days' <= leads.created_local
),

weeks as (
    select
        channel_id,
        is_newer,
        count(*) as n_leads
    from placed
    group by channel_id, is_newer, week_start
),

halves as (
    select
        clock.channel_id,
        cast(coalesce(sum(case when weeks.is_newer then weeks.n_leads end), 0) as double) as a,
        cast(coalesce(sum(case when not weeks.is_newer then weeks.n_leads end), 0) as double) as b,
        cast(coalesce(sum(case when weeks.is_newer then weeks.n_leads * weeks.n_leads end), 0) as double) as a_squares,
        cast(coalesce(sum(case when not weeks.is_newer then weeks.n_leads * weeks.n_leads end), 0) as double)
            as b_squares
    from int_channel_clock as clock
    left join weeks
        on clock.channel_id = weeks.channel_id
    group by clock.channel_id
),

-- The sum of (y - m)^2 / m over the four weeks of a half with a leads is (4 sum of y^2 - a^2) / a. A week without leads
-- adds nothing to either sum, so that it needs no row. Eight weeks less two means leave six degrees of freedom.
scattered as (
    select
        channel_id,
        a,
        b,
        greatest(
            1,
            (
                case when a > 0 then (4 * a_squares - a * a) / a else 0 end
                + case when b > 0 then (4 * b_squares - b * b) / b else 0 end
            ) / 6
        ) as dispersion
    from halves
),

judged as (
    select
        scattered.*,
        parameters.trend_z,
        a + b >= parameters.trend_min_leads and a + b > 0 as is_enough,
        case when a + b > 0 then (a - b) / sqrt(dispersion * (a + b)) end as z
    from scattered
    inner join int_parameters as parameters
        on scattered.channel_id = parameters.channel_id
)

select
    channel_id,
    cast(a as bigint) as leads_newer_weeks,
    cast(b as bigint) as leads_older_weeks,
    case when is_enough then dispersion end as dispersion,
    case
        when not is_enough then 'insufficient_data'
        when z >= trend_z then 'up'
        when z <= -trend_z then 'down'
        else 'flat'
    end as direction
from judged
