-- Every additive dimension adds up to the dimension all, in every stage and definition.
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
inner join totals as whole
    on
        totals.channel_id = whole.channel_id
        and totals.as_of_date = whole.as_of_date
        and totals.stage = whole.stage
        and totals.definition = whole.definition
        and whole.dimension = 'all'
where totals.n_leads <> whole.n_leads or totals.n_converted <> whole.n_converted
union all
select
    contact.channel_id,
    'contact' as stage,
    'contact' as definition,
    contact.dimension
from (
    select
        channel_id,
        as_of_date,
        dimension,
        sum(n_leads) as n_leads,
        sum(n_contacted) as n_contacted,
        sum(n_uncontacted) as n_uncontacted,
        sum(n_contact_before_creation) as n_contact_before_creation,
        sum(n_converted_without_contact) as n_converted_without_contact
    from time_to_first_contact
    where dimension <> 'topic'
    group by channel_id, as_of_date, dimension
) as contact
inner join time_to_first_contact as whole
    on
        contact.channel_id = whole.channel_id
        and contact.as_of_date = whole.as_of_date
        and whole.dimension = 'all'
where
    contact.n_leads <> whole.n_leads
    or contact.n_contacted <> whole.n_contacted
    or contact.n_uncontacted <> whole.n_uncontacted
    or contact.n_contact_before_creation <> whole.n_contact_before_creation
    or contact.n_converted_without_contact <> whole.n_converted_without_contact
