-- The touches that take credit. A touch without content takes none if another touch of the lead has content. If no touch
-- has content, the creation of the lead has all the credit. Without a form before its creation, a lead has one credited
-- touch, or two, and the second one has the credit that the first one leaves. touch_seq numbers all touches of the lead.
with touches as (
    select
        channel_id,
        zoho_lead_id,
        1 as touch_seq,
        'first_visit' as touch_type,
        first_visit_at as touch_at,
        first_visit_content_id as content_id,
        created_content_id is not null as is_shared,
        created_at,
        first_visit_at
    from int_lead_matches
    where
        first_visit_content_id is not null
        and not has_form_submit
    union all
    select
        channel_id,
        zoho_lead_id,
        case when has_first_visit then 2 else 1 end as touch_seq,
        'lead_creation' as touch_type,
        created_at as touch_at,
        created_content_id as content_id,
        first_visit_content_id is not null as is_shared,
        created_at,
        first_visit_at
    from int_lead_matches
    where
        (created_content_id is not null or first_visit_content_id is null)
        and not has_form_submit
),

touches_of_leads as (
    select
        touches.*,
        attribution.won_revenue_all,
        attribution.currency,
        attribution.as_of_utc,
        units.units_per_currency,
        units.unit,
        case
            when touches.is_shared
                then
                    cast(date_diff('second', touches.first_visit_at, touches.created_at) as double)
                    / (86400 * parameters.time_decay_half_life_days)
        end as half_lives
    from touches
    inner join lead_source_attribution as attribution
        on
            touches.channel_id = attribution.channel_id
            and touches.zoho_lead_id = attribution.zoho_lead_id
    inner join int_channel_units as units
        on touches.channel_id = units.channel_id
    inner join int_parameters as parameters
        on touches.channel_id = parameters.channel_id
),

-- The share of the first of two credited touches. The second one has the rest, so that the two add up to exactly 1.
shares as (
    select
        touches.*,
        models.model,
        cast(models.is_default as boolean) as is_default,
        cast(
            case
                when not touches.is_shared then 1
                when models.model = 'first_touch' then 1
                when models.model = 'last_touch' then 0
                when models.model in ('linear', 'position_based') then 0.5
                else 1 / (1 + power(cast(2 as double), touches.half_lives))
            end as decimal(12, 10)
        ) as first_share
    from touches_of_leads as touches
    cross join seed_attribution_models as models
),

credits as (
    select
        *,
        cast(
            case
                when not is_shared then 1
                when touch_type = 'first_visit' then first_share
                else 1 - first_share
            end as decimal(12, 10)
        ) as credit
    from shares
),

-- Of two equal credits, the first counts as the larger.
ranked as (
    select
        *,
        credit > 0.5 or (credit = 0.5 and touch_type = 'first_visit') as has_residual_cent
    from credits
)

select
    channel_id,
    zoho_lead_id,
    cast(touch_seq as integer) as touch_seq,
    model,
    is_default,
    cast(touch_type as varchar) as touch_type,
    touch_at,
    content_id,
    credit,
    cast(
        case
            when credit = 1 or won_revenue_all = 0 then won_revenue_all
            -- In whole units of the home currency: the cast to no decimals rounds half up.
            when has_residual_cent
                then
                    won_revenue_all
                    - cast(won_revenue_all * units_per_currency * (1 - credit) as decimal(20, 0)) * unit
            else cast(won_revenue_all * units_per_currency * credit as decimal(20, 0)) * unit
        end as decimal(20, 4)
    ) as won_revenue,
    currency,
    as_of_utc
from ranked
union all
select
    credits.channel_id,
    credits.zoho_lead_id,
    credits.touch_seq,
    credits.model,
    credits.is_default,
    credits.touch_type,
    credits.touch_at,
    credits.content_id,
    credits.credit,
    credits.won_revenue,
    attribution.currency,
    attribution.as_of_utc
from int_form_credits as credits
inner join lead_source_attribution as attribution
    on
        credits.channel_id = attribution.channel_id
        and credits.zoho_lead_id = attribution.zoho_lead_id
