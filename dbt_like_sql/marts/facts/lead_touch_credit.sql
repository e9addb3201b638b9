-- A first visit that matches no content takes no credit and is no touch; the lead's creation always is one.
-- So a lead has one touch or two, and what is not the credit of the one is that of the other.
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
        max(matches.touch_at) over (partition by matches.channel_id, matches.zoho_lead_id) as last_touch_at
    from int_touch_matches as matches
    where
        matches.touch_type = 'lead_creation'
        or matches.content_id is not null
),

models as (
    select 'first_touch' as model
    union all select 'last_touch'
    union all select 'linear'
    union all select 'position_based'
    union all select 'time_decay'
),

-- Of two touches, the share of the first; the last has the rest, so that the two make 1 exactly.
first_shares as (
    select
        touches.channel_id,
        touches.zoho_lead_id,
        models.model,
        cast(
            case
                when models.model = 'first_touch' then 1
                when models.model = 'last_touch' then 0
                when models.model in ('linear', 'position_based') then 0.5
                else
                    1 / (
                        1
                        + power(
                            cast(2 as double),
                            cast(date_diff('second', touches.touch_at, touches.last_touch_at) as double)
                            / (86400 * parameters.time_decay_half_life_days)
                        )
                    )
            end as decimal(12, 10)
        ) as share
    from touches
    inner join int_parameters as parameters
        on touches.channel_id = parameters.channel_id
    cross join models
    where touches.n_touches = 2 and touches.touch_seq = 1
),

credits as (
    select
        touches.channel_id,
        touches.zoho_lead_id,
        touches.touch_seq,
        models.model,
        touches.touch_type,
        touches.touch_at,
        touches.content_id,
        cast(
            case
                when touches.n_touches = 1 then 1
                when touches.touch_seq = 1 then first_shares.share
                else 1 - first_shares.share
            end as decimal(12, 10)
        ) as credit
    from touches
    cross join models
    left join first_shares
        on
            touches.channel_id = first_shares.channel_id
            and touches.zoho_lead_id = first_shares.zoho_lead_id
            and models.model = first_shares.model
),

revenues as (
    select
        credits.channel_id,
        credits.zoho_lead_id,
        credits.touch_seq,
        credits.model,
        credits.touch_type,
        credits.touch_at,
        credits.content_id,
        credits.credit,
        leads.as_of_utc,
        leads.currency,
        outcomes.won_revenue_all,
        -- wide on purpose: a product of two 18-digit decimals stays in 64 bits on DuckDB and overflows at a million
        cast(cast(outcomes.won_revenue_all as decimal(26, 2)) * credits.credit as decimal(18, 2)) as rounded_revenue,
        cast(cast(outcomes.won_revenue_all as decimal(26, 2)) * (1 - credits.credit) as decimal(18, 2)) as rounded_rest,
        -- the first of equal credits counts as the largest
        credits.credit > 0.5 or (credits.credit = 0.5 and credits.touch_seq = 1) as has_residual_cent
    from credits
    inner join int_live_leads as leads
        on
            credits.channel_id = leads.channel_id
            and credits.zoho_lead_id = leads.zoho_lead_id
    inner join int_lead_outcomes as outcomes
        on
            credits.channel_id = outcomes.channel_id
            and credits.zoho_lead_id = outcomes.zoho_lead_id
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
    cast(case when has_residual_cent then won_revenue_all - rounded_rest else rounded_revenue end as decimal(18, 2))
        as won_revenue,
    currency,
    as_of_utc
from revenues
