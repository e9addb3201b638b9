-- One row per channel, day and topic of the catalogue: the conversion of its leads, compared with the base rate of the
-- channel and with the rate of its other leads.
with measured as (
    select
        topics.channel_id,
        clock.as_of_date,
        clock.as_of_utc,
        clock.has_data,
        topics.topic,
        topics.n_leads,
        topics.n_converted,
        topics.n_content,
        parameters.topic_min_leads,
        parameters.topic_max_suggestions,
        rates.rate,
        rates.ci_low,
        rates.ci_high,
        tests.p_value,
        coalesce(tests.is_strong, false) as is_strong,
        coalesce(max(tests.n_tested) over (partition by topics.channel_id), 0) as n_tested,
        base.n_leads as n_base,
        base.n_converted as x_base,
        cast(topics.n_leads as double) as n,
        cast(topics.n_converted as double) as x,
        cast(base.n_leads as double) as base_n,
        cast(base.n_converted as double) as base_x,
        cast(parameters.topic_prior_leads as double) as prior
    from metric_topic_counts as topics
    inner join int_channel_clock as clock
        on topics.channel_id = clock.channel_id
    inner join int_parameters as parameters
        on topics.channel_id = parameters.channel_id
    inner join metric_topic_rates as rates
        on
            topics.channel_id = rates.channel_id
            and topics.topic = rates.topic
    inner join metric_matured_counts as base
        on topics.channel_id = base.channel_id
    left join metric_topic_tests as tests
        on
            topics.channel_id = tests.channel_id
            and topics.topic = tests.topic
),

-- (x + k p0) / (n + k) and its quotient with p0 = X / N, each written as one division of whole numbers: then equal
-- shares give equal lifts, and a topic exactly at the base rate has the lift 1 and not slightly more.
compared as (
    select
        *,
        case when base_n > 0 then base_x / base_n end as base_rate,
        case when base_n > n then (base_x - x) / (base_n - n) end as rest_rate,
        case when base_n > 0 and n + prior > 0 then (x * base_n + prior * base_x) / (base_n * (n + prior)) end
            as shrunk_rate,
        case when base_x > 0 and n + prior > 0 then (x * base_n + prior * base_x) / (base_x * (n + prior)) end as lift
    from measured
),

judged as (
    select
        *,
        case when is_strong then 'strong' else 'directional' end as evidence,
        coalesce(n_leads >= topic_min_leads and n_converted >= 1 and lift > 1, false) as is_candidate
    from compared
),

ranked as (
    select
        *,
        row_number() over (
            partition by channel_id, is_candidate
            order by
                case when evidence = 'strong' then 0 else 1 end,
                lift desc,
                n_leads desc,
                topic collate "C"
        ) as candidate_rank
    from judged
),

worded as (
    select
        *,
        cast(cast(floor(rate * 1000 + 0.500000001) as decimal(9, 0)) * 0.1 as decimal(9, 1)) as rate_percent,
        cast(cast(floor(rest_rate * 1000 + 0.500000001) as decimal(9, 0)) * 0.1 as decimal(9, 1)) as rest_percent,
        cast(cast(floor(lift * 100 + 0.500000001) as decimal(14, 0)) * 0.01 as decimal(14, 2)) as lift_rounded
    from ranked
)

select
    channel_id,
    as_of_date,
    as_of_utc,
    cast(topic as varchar) as topic,
    case when has_data then cast(n_leads as bigint) end as n_leads,
    case when has_data then cast(n_converted as bigint) end as n_converted,
    rate as conversion_rate,
    base_rate,
    rest_rate,
    case when has_data then cast(n_content as bigint) end as n_content,
    shrunk_rate,
    lift,
    ci_low,
    ci_high,
    p_value,
    case when has_data and x_base is not null then cast(n_tested as bigint) end as n_topics_tested,
    evidence,
    n_content = 1 as single_item,
    is_candidate and candidate_rank <= topic_max_suggestions as is_suggested,
    case
        when is_candidate and candidate_rank <= topic_max_suggestions then cast(candidate_rank as bigint)
    end as suggestion_rank,
    case
        when not has_data then null
        when n_leads = 0
            then 'No matured lead of the last 90 days came through content on "' || topic || '".'
        else
            cast(n_converted as varchar) || ' of ' || cast(n_leads as varchar)
            || ' matured leads from content on "' || topic || '" (' || cast(rate_percent as varchar)
            || ' %) got a deal within 30 days, '
            || case
                when rest_percent is null then 'and there are no other matured leads; '
                else
                    'against ' || cast(x_base - n_converted as varchar) || ' of ' || cast(n_base - n_leads as varchar)
                    || ' other matured leads (' || cast(rest_percent as varchar) || ' %); '
            end
            || case when lift is null then '' else 'lift ' || cast(lift_rounded as varchar) || ' after shrinkage, ' end
            || evidence || ' evidence from '
            || case
                when n_content = 1 then 'a single content item'
                else cast(n_content as varchar) || ' content items'
            end
            || case when p_value is null then ' (too few leads for a test; ' else ' (' end
            || case when n_tested = 1 then '1 topic was tested)' else cast(n_tested as varchar) || ' topics were tested)' end
            || '; this is a correlation and no more.'
    end as reason
from worded
