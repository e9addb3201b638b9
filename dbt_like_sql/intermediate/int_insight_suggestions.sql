-- One row per channel: the suggested topics side by side, and why there are none where there are none.
with suggested as (
    select
        performance.channel_id,
        max(case when performance.suggestion_rank = 1 then performance.topic end) as suggested_topic_1,
        max(case when performance.suggestion_rank = 1 then performance.reason end) as suggested_topic_1_reason,
        max(case when performance.suggestion_rank = 2 then performance.topic end) as suggested_topic_2,
        max(case when performance.suggestion_rank = 2 then performance.reason end) as suggested_topic_2_reason,
        max(case when performance.suggestion_rank = 3 then performance.topic end) as suggested_topic_3,
        max(case when performance.suggestion_rank = 3 then performance.reason end) as suggested_topic_3_reason
    from topic_performance as performance
    inner join int_channel_clock as clock
        on
            performance.channel_id = clock.channel_id
            and performance.as_of_date = clock.as_of_date
    group by performance.channel_id
)

select
    clock.channel_id,
    suggested.suggested_topic_1,
    suggested.suggested_topic_1_reason,
    suggested.suggested_topic_2,
    suggested.suggested_topic_2_reason,
    suggested.suggested_topic_3,
    suggested.suggested_topic_3_reason,
    case
        when not clock.has_data or not clock.deals_readable then 'insufficient_data'
        when matured.n_leads = 0 then 'no_matured_leads'
        when matured.n_converted = 0 then 'no_conversions_in_matured_cohort'
        when suggested.suggested_topic_1 is null then 'insufficient_data'
        else 'ok'
    end as topic_status
from int_channel_clock as clock
left join suggested
    on clock.channel_id = suggested.channel_id
inner join int_insight_base_rates as matured
    on clock.channel_id = matured.channel_id
