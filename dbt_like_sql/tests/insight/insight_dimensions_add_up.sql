-- Every additive dimension adds up to the dimension all, in every stage and definition.
with totals as (
    select
        channel_id,
        as_of_date,
        dimension,
        sum(n_matured_30d) as n_matured_30d,
        sum(n_matured_30d_wide) as n_matured_30d_wide,
        sum(n_matured_90d) as n_matured_90d,
        sum(n_immature) as n_immature,
        sum(n_recent) as n_recent,
        sum(any_conversion_matured_30d) as any_conversion_matured_30d,
        sum(any_conversion_matured_30d_wide) as any_conversion_matured_30d_wide,
        sum(any_conversion_matured_90d) as any_conversion_matured_90d,
        sum(any_conversion_rolling_30d) as any_conversion_rolling_30d,
        sum(any_conversion_km_30d) as any_conversion_km_30d,
        sum(any_conversion_ever) as any_conversion_ever,
        sum(deal_matured_30d) as deal_matured_30d,
        sum(deal_matured_30d_wide) as deal_matured_30d_wide,
        sum(deal_matured_90d) as deal_matured_90d,
        sum(deal_rolling_30d) as deal_rolling_30d,
        sum(deal_km_30d) as deal_km_30d,
        sum(deal_ever) as deal_ever,
        sum(won_matured_30d) as won_matured_30d,
        sum(won_matured_30d_wide) as won_matured_30d_wide,
        sum(won_matured_90d) as won_matured_90d,
        sum(won_rolling_30d) as won_rolling_30d,
        sum(won_km_30d) as won_km_30d,
        sum(won_ever) as won_ever
    from conversion_rate_counts
    where dimension <> 'topic'
    group by channel_id, as_of_date, dimension
)

select
    totals.channel_id,
    'conversions' as counts,
    totals.dimension
from totals
inner join totals as whole
    on
        totals.channel_id = whole.channel_id
        and totals.as_of_date = whole.as_of_date
        and whole.dimension = 'all'
where
    totals.n_matured_30d <> whole.n_matured_30d
    or totals.n_matured_30d_wide <> whole.n_matured_30d_wide
    or totals.n_matured_90d <> whole.n_matured_90d
    or totals.n_immature <> whole.n_immature
    or totals.n_recent <> whole.n_recent
    or totals.any_conversion_matured_30d <> whole.any_conversion_matured_30d
    or totals.any_conversion_matured_30d_wide <> whole.any_conversion_matured_30d_wide
    or totals.any_conversion_matured_90d <> whole.any_conversion_matured_90d
    or totals.any_conversion_rolling_30d <> whole.any_conversion_rolling_30d
    or totals.any_conversion_km_30d <> whole.any_conversion_km_30d
    or totals.any_conversion_ever <> whole.any_conversion_ever
    or totals.deal_matured_30d <> whole.deal_matured_30d
    or totals.deal_matured_30d_wide <> whole.deal_matured_30d_wide
    or totals.deal_matured_90d <> whole.deal_matured_90d
    or totals.deal_rolling_30d <> whole.deal_rolling_30d
    or totals.deal_km_30d <> whole.deal_km_30d
    or totals.deal_ever <> whole.deal_ever
    or totals.won_matured_30d <> whole.won_matured_30d
    or totals.won_matured_30d_wide <> whole.won_matured_30d_wide
    or totals.won_matured_90d <> whole.won_matured_90d
    or totals.won_rolling_30d <> whole.won_rolling_30d
    or totals.won_km_30d <> whole.won_km_30d
    or totals.won_ever <> whole.won_ever
union all
select
    contact.channel_id,
    'contacts' as counts,
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
