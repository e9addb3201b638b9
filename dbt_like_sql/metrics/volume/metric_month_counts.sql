-- One row per channel: the leads of the running local month, of last month, and of last month up to the same point of
-- wall-clock time.
with points as (
    select
        channel_id,
        as_of_utc,
        date_trunc('month', as_of_local) as this_month,
        date_trunc('month', as_of_local) - interval '1 month' as last_month,
        -- A day that last month does not have becomes its last day: for 31 March 15:00 it is 28 February 15:00.
        as_of_local - interval '1 month' as same_point
    from int_channel_clock
),

placed as (
    select
        points.channel_id,
        case when leads.created_local >= points.this_month then 1 else 0 end as is_this_month,
        case
            when leads.created_local >= points.last_month and leads.created_local < points.this_month then 1
            else 0
        end as is_last_month,
        case
            when
                leads.created_local >= points.last_month
                and leads.created_local < points.this_month
                and leads.created_local <= points.same_point
                then 1
            else 0
        end as is_last_month_same_point
    from points
    inner join lead_source_attribution as leads
        on
            points.channel_id = leads.channel_id
            and points.as_of_utc >= leads.created_at
)

select
    clock.channel_id,
    coalesce(sum(placed.is_this_month), 0) as leads_this_month,
    coalesce(sum(placed.is_last_month), 0) as leads_last_month_full,
    coalesce(sum(placed.is_last_month_same_point), 0) as leads_last_month_same_point
from int_channel_clock as clock
left join placed
    on clock.channel_id = placed.channel_id
group by clock.channel_id
