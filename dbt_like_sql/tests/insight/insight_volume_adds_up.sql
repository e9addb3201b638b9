with live as (
    select
        channel_id,
        count(created_at) as n_leads
    from lead_source_attribution
    group by channel_id
),

volumes as (
    select
        channel_id,
        grain,
        sum(n_leads) as n_leads,
        sum(case when is_partial then 1 else 0 end) as n_running,
        max(
            case
                when grain = 'week' and date_trunc('week', period_start) <> period_start then 1
                when grain = 'month' and date_trunc('month', period_start) <> period_start then 1
                else 0
            end
        ) as is_off_grid
    from lead_volume
    group by channel_id, grain
)

select
    volumes.channel_id,
    volumes.grain
from volumes
left join live
    on volumes.channel_id = live.channel_id
where
    volumes.n_leads <> coalesce(live.n_leads, 0)
    or volumes.n_running <> 1
    or volumes.is_off_grid = 1
