-- The matured cohort of the dimension all covers 30 days, and that of the other dimensions covers 60. So the others
-- are compared among themselves.
with totals as (
    select
        channel_id,
        as_of_date,
        stage,
        definition,
        dimension,
        sum(n_leads) as n_leads,
        sum(n_converted) as n_converted
    from conversion_rate
    where is_additive
    group by channel_id, as_of_date, stage, definition, dimension
)

select
    totals.channel_id,
    totals.stage,
    totals.definition,
    totals.dimension
from totals
inner join totals as reference
    on
        totals.channel_id = reference.channel_id
        and totals.as_of_date = reference.as_of_date
        and totals.stage = reference.stage
        and totals.definition = reference.definition
        and reference.dimension = case when totals.definition = 'matured_30d' then 'content' else 'all' end
where
    totals.dimension <> 'all'
    and (totals.n_leads <> reference.n_leads or totals.n_converted <> reference.n_converted)
