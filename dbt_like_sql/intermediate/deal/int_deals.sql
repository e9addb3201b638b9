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
        home_currencies.normal as home_currency,
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
    left join int_normal_texts as home_currencies
        on clock.currency = home_currencies.value
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

-- DuckDB divides decimals as doubles, and Postgres divides them exactly. So the quotient is an estimate here, and the
-- CTE rounded corrects it to the cent.
estimated as (
    select
        *,
        case
            when exchange_rate is null or exchange_rate_direction <> 'divide' then null
            when abs(cast(amount as double) / cast(exchange_rate as double)) < 1e14
                then cast(abs(cast(amount as double) / cast(exchange_rate as double)) as decimal(17, 2))
        end as estimated_quotient,
        cast(abs(amount) as decimal(18, 2)) as absolute_amount
    from deals
),

rounded as (
    select
        *,
        case
            when (estimated_quotient + 0.005) * exchange_rate <= absolute_amount then estimated_quotient + 0.01
            when (estimated_quotient - 0.005) * exchange_rate > absolute_amount then estimated_quotient - 0.01
            else estimated_quotient
        end as quotient
    from estimated
),

valued as (
    select
        *,
        case
            when exchange_rate is not null and exchange_rate_direction = 'divide' and amount < 0 then -quotient
            when exchange_rate is not null and exchange_rate_direction = 'divide' then quotient
            when exchange_rate is not null and abs(cast(amount as double) * cast(exchange_rate as double)) < 1e14
                -- 20 digits, because DuckDB keeps a product of two 18-digit decimals in 64 bits, which overflows.
                then cast(amount as decimal(20, 2)) * exchange_rate
            when exchange_rate is not null then null
            when deal_currency is null or deal_currency = home_currency then amount
        end as home_amount
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
    cast(deals.home_amount as decimal(18, 2)) as home_amount,
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
