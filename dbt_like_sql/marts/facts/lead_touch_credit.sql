-- A first visit that matches no content takes no credit and is no touch. The creation of the lead is always a touch.
-- So a lead has one touch or two, and the second touch has the credit that the first one leaves.
with touches as (
    select
        matches.channel_id,
        matches.zoho_lead_id,
        matches.touch_type,
        matches.touch_at,
        matches.content_id,
        row_number() over (
            partition by matches.channel_id, matches.zoho_lead_id
            order by case matches.touch_type when 'first_visit' then 1 else 2 end
        ) as touch_seq,
        count(*) over (partition by matches.channel_id, matches.zoho_lead_id) as n_touches,
        min(matches.touch_at) over (partition by matches.channel_id, matches.zoho_lead_id) as first_touch_at,
        max(matches.touch_at) over (partition by matches.channel_id, matches.zoho_lead_id) as last_touch_at
    from int_touch_matches as matches
    where
        matches.touch_type = 'lead_creation'
        or matches.content_id is not null
),

touches_of_leads as (
    select
        touches.*,
        attribution.won_revenue_all,
        attribution.currency,
        attribution.as_of_utc,
        units.units_per_currency,
        units.unit,
        cast(date_diff('second', touches.first_touch_at, touches.last_touch_at) as double)
        / (86400 * parameters.time_decay_half_life_days) as half_lives
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

-- The share of the first touch. The second touch has the rest, so that the two add up to exactly 1.
shares as (
    select
        touches.*,
        models.model,
        cast(
            case
                when touches.n_touches = 1 then 1
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
        cast(case when touch_seq = 1 then first_share else 1 - first_share end as decimal(12, 10)) as credit
    from shares
),

revenues as (
    select
        *,
        -- In whole units of the home currency: the cast to no decimals rounds half up.
        cast(won_revenue_all * units_per_currency * credit as decimal(20, 0)) * unit as rounded_revenue,
        cast(won_revenue_all * units_per_currency * (1 - credit) as decimal(20, 0)) * unit as rounded_rest,
        -- Of two equal credits, the first counts as the larger.
        credit > 0.5 or (credit = 0.5 and touch_seq = 1) as has_residual_cent
    from credits
)

select
    channel_id,
    zoho_lead_id,
    cast(touch_seq as integer) as touch_seq,
    model,
    touch_type,
    touch_at,
    content_id,
    credit,
    cast(case when has_residual_cent then won_revenue_all - rounded_rest else rounded_revenue end as decimal(20, 4))
        as won_revenue,
    currency,
    as_of_utc
from revenues
