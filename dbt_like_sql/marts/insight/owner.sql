-- One row per user of the org, per other owner of a live lead or deal, and (none): leads of the last 90 days, how fast they
-- were contacted, how many of them became deals, and what the owner has won.
with named as (
    select
        users.channel_id,
        users.user_id as owner_id,
        users.full_name as name,
        1 as name_order,
        statuses.normal = 'active' and not coalesce(users.is_deleted, false) as is_active
    from stg_users as users
    left join int_normal_texts as statuses
        on users.status = statuses.value
    union all
    select
        channel_id,
        owner_id,
        max(owner_name collate "C") as name,
        2 as name_order,
        cast(null as boolean) as is_active
    from int_live_leads
    where owner_id is not null
    group by channel_id, owner_id
    union all
    select
        channel_id,
        owner_id,
        max(owner_name collate "C") as name,
        3 as name_order,
        cast(null as boolean) as is_active
    from deal
    where owner_id is not null
    group by channel_id, owner_id
    union all
    select
        channel_id,
        '(none)' as owner_id,
        '(none)' as name,
        1 as name_order,
        cast(null as boolean) as is_active
    from int_channel_clock
),

owners as (
    select
        channel_id,
        owner_id,
        coalesce(
            max(case when name_order = 1 then name end),
            max(case when name_order = 2 then name end),
            max(case when name_order = 3 then name end),
            owner_id
        ) as name,
        max(case when is_active then 1 when not is_active then 0 end) = 1 as is_active
    from named
    group by channel_id, owner_id
),

-- Only won deals have a won_at. If the sync behind as_of saw that a deal was won, it was won by then, whatever its closing date.
revenues as (
    select
        deals.channel_id,
        coalesce(deals.owner_id, '(none)') as owner_id,
        sum(deals.amount_home) as won_revenue
    from deal as deals
    inner join int_channel_clock as clock
        on deals.channel_id = clock.channel_id
    where
        deals.won_at > clock.as_of_utc - interval '90 days'
        and (deals.won_at <= clock.as_of_utc or clock.as_of_utc = clock.last_complete_sync_at)
    group by deals.channel_id, coalesce(deals.owner_id, '(none)')
)

select
    owners.channel_id,
    owners.owner_id,
    owners.name,
    owners.is_active,
    case when clock.has_data then coalesce(times.n_leads, 0) end as n_leads_90d,
    times.contacted_rate,
    times.median_contacted_hours,
    times.median_contacted_business_hours as median_business_hours,
    case when clock.has_data and clock.activities_readable then coalesce(times.n_uncontacted, 0) end as n_waiting,
    rates.conversion_rate as conversion_rate_30d,
    case when clock.has_data then coalesce(rates.n_leads, 0) end as conversion_rate_30d_n,
    case
        when clock.has_data and clock.deals_readable
            then cast(coalesce(revenues.won_revenue, 0) as decimal(20, 4))
    end as won_revenue_90d,
    clock.currency,
    clock.as_of_utc
from owners
inner join int_channel_clock as clock
    on owners.channel_id = clock.channel_id
left join time_to_first_contact as times
    on
        owners.channel_id = times.channel_id
        and times.as_of_date = clock.as_of_date
        and times.dimension = 'owner'
        and owners.owner_id = times.dimension_value
left join conversion_rate as rates
    on
        owners.channel_id = rates.channel_id
        and rates.as_of_date = clock.as_of_date
        and rates.stage = 'deal'
        and rates.definition = 'matured_30d'
        and rates.dimension = 'owner'
        and owners.owner_id = rates.dimension_value
left join revenues
    on
        owners.channel_id = revenues.channel_id
        and owners.owner_id = revenues.owner_id
