-- The touches that take credit, of leads that sent a form before they were created: these leads may have any number of
-- touches. All other leads have at most two, and lead_touch_credit computes those itself, which is quicker.
with touches as (
    select
        channel_id,
        zoho_lead_id,
        'first_visit' as touch_type,
        1 as type_order,
        first_visit_at as touch_at,
        null as submission_id,
        first_visit_content_id as content_id
    from int_lead_matches
    where
        has_form_submit
        and has_first_visit
    union all
    select
        forms.channel_id,
        forms.zoho_lead_id,
        'form_submit' as touch_type,
        2 as type_order,
        forms.submitted_at as touch_at,
        forms.submission_id,
        touches.content_id
    from int_form_matches as forms
    inner join int_touch_matches as touches
        on
            forms.channel_id = touches.channel_id
            and forms.submission_id = touches.record_id
            and touches.touch_type = 'form_submit'
    where forms.relation = 'earlier'
    union all
    select
        channel_id,
        zoho_lead_id,
        'lead_creation' as touch_type,
        3 as type_order,
        created_at as touch_at,
        null as submission_id,
        created_content_id as content_id
    from int_lead_matches
    where has_form_submit
),

numbered as (
    select
        *,
        row_number() over (
            partition by channel_id, zoho_lead_id
            order by touch_at, type_order, submission_id collate "C"
        ) as touch_seq,
        count(content_id) over (partition by channel_id, zoho_lead_id) as n_with_content
    from touches
),

credited as (
    select
        numbered.*,
        row_number() over (
            partition by numbered.channel_id, numbered.zoho_lead_id
            order by numbered.touch_seq
        ) as place,
        count(*) over (partition by numbered.channel_id, numbered.zoho_lead_id) as n_credited,
        -- 2 to the power of -1000 is 0 for every credit, and Postgres refuses what is far smaller.
        power(
            cast(2 as double),
            greatest(
                -cast(
                    date_diff(
                        'second',
                        numbered.touch_at,
                        max(numbered.touch_at) over (partition by numbered.channel_id, numbered.zoho_lead_id)
                    ) as double
                )
                / (86400 * parameters.time_decay_half_life_days),
                -1000
            )
        ) as weight
    from numbered
    inner join int_parameters as parameters
        on numbered.channel_id = parameters.channel_id
    where
        numbered.content_id is not null
        or (numbered.n_with_content = 0 and numbered.touch_type = 'lead_creation')
),

rounded as (
    select
        credited.*,
        models.model,
        cast(models.is_default as boolean) as is_default,
        cast(
            case models.model
                when 'first_touch' then case when credited.place = 1 then 1 else 0 end
                when 'last_touch' then case when credited.place = credited.n_credited then 1 else 0 end
                when 'linear' then cast(1 as double) / credited.n_credited
                when 'position_based'
                    then
                        case
                            when credited.n_credited <= 2 then cast(1 as double) / credited.n_credited
                            when credited.place in (1, credited.n_credited) then 0.4
                            else 0.2 / cast(credited.n_credited - 2 as double)
                        end
                else
                    credited.weight
                    / sum(credited.weight) over (partition by credited.channel_id, credited.zoho_lead_id, models.model)
            end as decimal(12, 10)
        ) as share
    from credited
    cross join seed_attribution_models as models
),

-- The last touch has what the rounded shares of the others leave, so that the credits add up to exactly 1.
credits as (
    select
        *,
        cast(
            case
                when place < n_credited then share
                else 1 - (sum(share) over (partition by channel_id, zoho_lead_id, model) - share)
            end as decimal(12, 10)
        ) as credit
    from rounded
),

-- In whole units of the home currency: the cast to no decimals rounds half up.
revenues as (
    select
        credits.*,
        outcomes.won_revenue_all,
        cast(outcomes.won_revenue_all * units.units_per_currency * credits.credit as decimal(20, 0)) * units.unit
            as rounded_revenue,
        row_number() over (
            partition by credits.channel_id, credits.zoho_lead_id, credits.model
            order by credits.credit desc, credits.touch_seq
        ) as size_rank
    from credits
    inner join int_lead_outcomes as outcomes
        on
            credits.channel_id = outcomes.channel_id
            and credits.zoho_lead_id = outcomes.zoho_lead_id
    inner join int_channel_units as units
        on credits.channel_id = units.channel_id
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
            when size_rank > 1 then rounded_revenue
            else
                won_revenue_all
                - (
                    sum(rounded_revenue) over (partition by channel_id, zoho_lead_id, model)
                    - rounded_revenue
                )
        end as decimal(20, 4)
    ) as won_revenue
from revenues
