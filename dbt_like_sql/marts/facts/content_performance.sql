with contents as (
    select
        items.channel_id,
        items.content_id,
        types.content_type,
        items.title
    from stg_content_items as items
    left join int_content_types as types
        on
            items.channel_id = types.channel_id
            and items.content_id = types.content_id
    union all
    select
        channel_id,
        '(none)' as content_id,
        null as content_type,
        null as title
    from int_channel_clock
),

credited as (
    select
        credits.channel_id,
        coalesce(credits.content_id, '(none)') as content_id,
        credits.model,
        credits.credit,
        credits.won_revenue,
        attribution.n_deals,
        attribution.n_won_deals,
        attribution.deal_within_30d,
        attribution.is_mature_30d
        and attribution.created_at > attribution.as_of_utc - interval '60 days' as is_in_cohort
    from lead_touch_credit as credits
    inner join lead_source_attribution as attribution
        on
            credits.channel_id = attribution.channel_id
            and credits.zoho_lead_id = attribution.zoho_lead_id
),

totals as (
    select
        channel_id,
        content_id,
        model,
        sum(credit) as leads,
        sum(credit * n_deals) as deals,
        sum(credit * n_won_deals) as won_deals,
        sum(won_revenue) as won_revenue,
        sum(case when is_in_cohort then credit end) as n_leads,
        sum(case when is_in_cohort and deal_within_30d then credit end) as n_converted
    from credited
    group by channel_id, content_id, model
),

figures as (
    select
        contents.channel_id,
        contents.content_id,
        models.model,
        cast(models.is_default as boolean) as is_default,
        contents.content_type,
        contents.title,
        clock.currency,
        clock.as_of_utc,
        case when clock.has_data then coalesce(totals.leads, 0) end as leads,
        case when clock.has_data and clock.deals_readable then coalesce(totals.deals, 0) end as deals,
        case when clock.has_data and clock.deals_readable then coalesce(totals.won_deals, 0) end as won_deals,
        case when clock.has_data and clock.deals_readable then coalesce(totals.won_revenue, 0) end as won_revenue,
        case when clock.has_data then coalesce(totals.n_leads, 0) end as n_leads,
        case when clock.has_data and clock.deals_readable then coalesce(totals.n_converted, 0) end as n_converted
    from contents
    inner join int_channel_clock as clock
        on contents.channel_id = clock.channel_id
    cross join seed_attribution_models as models
    left join totals
        on
            contents.channel_id = totals.channel_id
            and contents.content_id = totals.content_id
            and models.model = totals.model
),

-- n is the sum of the credits of the cohort. 3.841458820694124 is the square of z = 1.959963984540054 (95 %).
rates as (
    select
        *,
        case when n_leads > 0 then cast(n_converted as double) / cast(n_leads as double) end as conversion_rate,
        case when n_leads > 0 then 3.841458820694124 / cast(n_leads as double) end as z2_over_n
    from figures
),

spreads as (
    select
        *,
        (conversion_rate + z2_over_n / 2) / (1 + z2_over_n) as centre,
        sqrt(conversion_rate * (1 - conversion_rate) * z2_over_n + z2_over_n * z2_over_n / 4) / (1 + z2_over_n)
            as half_width
    from rates
)

select
    channel_id,
    content_id,
    model,
    is_default,
    content_type,
    title,
    cast(leads as decimal(18, 10)) as credited_leads,
    cast(deals as decimal(18, 10)) as credited_deals,
    cast(won_deals as decimal(18, 10)) as credited_won_deals,
    cast(won_revenue as decimal(20, 4)) as won_revenue,
    currency,
    cast(n_leads as decimal(18, 10)) as n_leads,
    cast(n_converted as decimal(18, 10)) as n_converted,
    conversion_rate,
    case
        when conversion_rate <= 0 then cast(0 as double)
        when conversion_rate is not null then least(greatest(centre - half_width, 0), conversion_rate)
    end as ci_low,
    case
        when conversion_rate >= 1 then cast(1 as double)
        when conversion_rate is not null then greatest(least(centre + half_width, 1), conversion_rate)
    end as ci_high,
    as_of_utc
from spreads
