-- One row per channel: the three known sources with the most leads of this month, or of last month as long as this
-- month has none.
with periods as (
    select
        clock.channel_id,
        clock.as_of_utc,
        clock.has_data,
        case when months.leads_this_month > 0 then 'this_month' else 'last_month' end as period,
        case
            when months.leads_this_month > 0 then date_trunc('month', clock.as_of_local)
            else date_trunc('month', clock.as_of_local) - interval '1 month'
        end as month_start
    from int_channel_clock as clock
    inner join metric_month_counts as months
        on clock.channel_id = months.channel_id
),

counts as (
    select
        periods.channel_id,
        leads.lead_source,
        leads.lead_source <> 'Unknown' as is_known,
        count(*) as n_leads
    from periods
    inner join lead_source_attribution as leads
        on
            periods.channel_id = leads.channel_id
            and periods.has_data
            and periods.as_of_utc >= leads.created_at
            and periods.month_start <= leads.created_local
            and periods.month_start + interval '1 month' > leads.created_local
    group by periods.channel_id, leads.lead_source
),

ranked as (
    select
        channel_id,
        lead_source,
        is_known,
        n_leads,
        row_number() over (
            partition by channel_id, is_known
            order by n_leads desc, lead_source collate "C"
        ) as place
    from counts
),

placed as (
    select
        channel_id,
        max(case when is_known and place = 1 then lead_source end) as top_source_1,
        max(case when is_known and place = 1 then n_leads end) as top_source_1_leads,
        max(case when is_known and place = 2 then lead_source end) as top_source_2,
        max(case when is_known and place = 2 then n_leads end) as top_source_2_leads,
        max(case when is_known and place = 3 then lead_source end) as top_source_3,
        max(case when is_known and place = 3 then n_leads end) as top_source_3_leads,
        max(case when is_known and place = 4 then n_leads end) as fourth_leads,
        sum(case when is_known and place > 3 then n_leads else 0 end) as other_sources_leads,
        sum(case when is_known then 0 else n_leads end) as unknown_source_leads
    from ranked
    group by channel_id
)

select
    periods.channel_id,
    periods.period,
    placed.top_source_1,
    placed.top_source_1_leads,
    placed.top_source_2,
    placed.top_source_2_leads,
    placed.top_source_3,
    placed.top_source_3_leads,
    coalesce(placed.fourth_leads = placed.top_source_3_leads, false) as is_tie_at_cutoff,
    coalesce(placed.other_sources_leads, 0) as other_sources_leads,
    coalesce(placed.unknown_source_leads, 0) as unknown_source_leads
from periods
left join placed
    on periods.channel_id = placed.channel_id
