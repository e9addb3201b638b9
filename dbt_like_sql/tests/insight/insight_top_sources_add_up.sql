with insights as (
    select
        insight.channel_id,
        insight.as_of_date,
        coalesce(insight.top_source_1_leads, 0) + coalesce(insight.top_source_2_leads, 0)
        + coalesce(insight.top_source_3_leads, 0) + insight.other_sources_leads + insight.unknown_source_leads
            as leads_of_sources,
        case
            when insight.top_sources_period = 'this_month' then insight.leads_this_month
            else insight.leads_last_month_full
        end as leads_of_period
    from channel_insight as insight
)

select
    channel_id,
    as_of_date,
    leads_of_sources,
    leads_of_period
from insights
where leads_of_sources <> leads_of_period
