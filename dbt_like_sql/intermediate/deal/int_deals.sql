-- One row per live deal created up to as_of: what its stage means today, when it was won, and its amount in the home
-- currency.
with deals as (
    select
        clock.channel_id,
        deals.deal_id,
        deals.deal_name,
        deals.contact_id,
        deals.stage,
        deals.created_at,
        deals.closing_date,
        deals.amount,
        deal_currencies.normal as deal_currency,
        case when deals.exchange_rate > 0 then deals.exchange_rate end as exchange_rate,
        clock.timezone,
        clock.currency,
        units.home_currency,
        units.units_per_currency,
        units.unit,
        parameters.exchange_rate_direction,
        coalesce(meanings.deal_state, 'unknown') as deal_state
    from int_channel_clock as clock
    inner join int_parameters as parameters
        on clock.channel_id = parameters.channel_id
    inner join stg_deals as deals
        on clock.channel_id = deals.channel_id
    left join int_stage_meanings as meanings
        on
            deals.channel_id = meanings.channel_id
            and coalesce(deals.pipeline, '') = meanings.pipeline
            and deals.stage = meanings.stage
    left join int_normal_texts as deal_currencies
        on deals.currency = deal_currencies.value
    inner join int_channel_units as units
        on clock.channel_id = units.channel_id
    where
        clock.has_data
        and clock.deals_readable
        and coalesce(deals.record_status, '') not in (
            select value from int_normal_texts where normal in ('trash', 'draft')
        )
        and coalesce(deals.created_at <= clock.as_of_utc, true)
),

stage_entries as (
    select
        history.channel_id,
        history.deal_id,
        history.entered_at,
        coalesce(meanings.deal_state, 'unknown') = 'won' as is_won_stage
    from stg_deal_stage_history as history
    inner join stg_deals as deals
        on
            history.channel_id = deals.channel_id
            and history.deal_id = deals.deal_id
    left join int_stage_meanings as meanings
        on
            history.channel_id = meanings.channel_id
            and coalesce(deals.pipeline, '') = meanings.pipeline
            and history.stage = meanings.stage
),

last_open_entries as (
    select
        channel_id,
        deal_id,
        max(entered_at) as entered_at
    from stage_entries
    where not is_won_stage
    group by channel_id, deal_id
),

-- A deal that was won, re-opened and won again counts as won at the last win. Zoho repeats a stage in successive
-- rows.
won_entries as (
    select
        entries.channel_id,
        entries.deal_id,
        min(entries.entered_at) as won_at
    from stage_entries as entries
    left join last_open_entries as last_open
        on
            entries.channel_id = last_open.channel_id
            and entries.deal_id = last_open.deal_id
    where
        entries.is_won_stage
        and coalesce(entries.entered_at >= last_open.entered_at, true)
    group by entries.channel_id, entries.deal_id
),

-- Amounts are rounded half up to the smallest unit of the home currency. DuckDB divides decimals as doubles, and
-- Postgres divides them exactly. So the quotient is an estimate in whole units, which the remainder refines, and which
-- the CTE rounded corrects to the unit with exact products.
estimated as (
    select
        *,
        cast(abs(amount) as decimal(27, 9)) * units_per_currency as units,
        case
            when exchange_rate is null or exchange_rate_direction <> 'divide' then null
            when
                cast(abs(amount) * units_per_currency as double) / cast(exchange_rate as double) < 1e17
                then
                    cast(
                        cast(abs(amount) * units_per_currency as double) / cast(exchange_rate as double)
                        as decimal(20, 0)
                    )
        end as first_estimate
    from deals
),

refined as (
    select
        *,
        first_estimate
        + cast(
            cast(units - first_estimate * exchange_rate as double) / cast(exchange_rate as double) as decimal(20, 0)
        ) as estimate
    from estimated
),

rounded as (
    select
        *,
        case
            when exchange_rate is not null and exchange_rate_direction = 'divide'
                then
                    case
                        when (estimate + 0.5) * exchange_rate <= units then estimate + 1
                        when (estimate - 0.5) * exchange_rate > units then estimate - 1
                        else estimate
                    end
            when exchange_rate is not null and cast(units as double) * cast(exchange_rate as double) < 1e17
                then cast(units * exchange_rate as decimal(20, 0))
            when exchange_rate is not null then null
            when cast(units as double) >= 1e17 then null
            when deal_currency is null or deal_currency = home_currency then cast(units as decimal(20, 0))
        end as home_units
    from refined
),

valued as (
    select
        *,
        case when amount < 0 then -1 else 1 end * cast(home_units as decimal(20, 0)) * unit as home_amount
    from rounded
)

select
    deals.channel_id,
    deals.deal_id,
    deals.deal_name,
    deals.contact_id,
    deals.stage,
    deals.deal_state,
    deals.created_at,
    -- An amount that a mart cannot hold is null, so that it does not stop the channel. Sums have one digit more.
    case
        when abs(deals.home_amount) < 1000000000000000 then cast(deals.home_amount as decimal(20, 4))
    end as home_amount,
    deals.currency,
    case
        when deals.deal_state <> 'won' then null
        when won.won_at is not null then won.won_at
        else
            (
                -- The end of the last day of 9999 lies in another year in UTC.
                (
                    cast(
                        case
                            when deals.closing_date > date '9999-12-30' then date '9999-12-30'
                            else deals.closing_date
                        end as timestamp
                    )
                    + interval '86399 seconds'
                ) at time zone deals.timezone
            ) at time zone 'UTC'
    end as won_at,
    case
        when deals.deal_state <> 'won' then null
        when won.won_at is not null then 'instant'
        when deals.closing_date is not null then 'date'
    end as won_at_precision
from valued as deals
left join won_entries as won
    on
        deals.channel_id = won.channel_id
        and deals.deal_id = won.deal_id
