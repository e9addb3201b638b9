-- One row per channel, day, stage, definition and dimension value: the share of the leads that reached the stage.
select
    rates.channel_id,
    clock.as_of_date,
    clock.as_of_utc,
    cast(rates.stage as varchar) as stage,
    cast(rates.definition as varchar) as definition,
    rates.stage = 'deal' and rates.definition = 'matured_30d' as is_headline,
    cast(rates.dimension as varchar) as dimension,
    cast(rates.dimension_value as varchar) as dimension_value,
    cast(rates.dimension_label as varchar) as dimension_label,
    case when clock.has_data then rates.n_leads end as n_leads,
    case when clock.has_data then rates.n_converted end as n_converted,
    rates.rate as conversion_rate,
    rates.ci_low,
    rates.ci_high,
    case when clock.has_data then rates.n_immature end as n_immature,
    case
        when rates.n_leads = 0 then 'no_leads'
        when rates.n_leads < 5 then 'insufficient'
        when rates.n_leads < 30 then 'small_sample'
        else 'ok'
    end as display_status,
    rates.dimension <> 'topic' as is_additive
from metric_rates as rates
inner join int_channel_clock as clock
    on rates.channel_id = clock.channel_id
where rates.definition <> 'topic_evidence'
