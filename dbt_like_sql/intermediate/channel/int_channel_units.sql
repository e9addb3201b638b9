-- One row per channel: the smallest unit of money of its home currency. Its decimals are those of Zoho's settings, or
-- else those of ISO 4217, or else two. Marts have four decimals, so that no unit is smaller.
with settings as (
    select
        currencies.channel_id,
        texts.normal as currency,
        max(currencies.decimal_places) as decimal_places
    from stg_currencies as currencies
    inner join int_normal_texts as texts
        on currencies.iso_code = texts.value
    where currencies.decimal_places >= 0
    group by currencies.channel_id, texts.normal
),

decimals as (
    select
        channels.channel_id,
        texts.normal as home_currency,
        coalesce(settings.decimal_places, cast(seed_currencies.decimal_places as bigint), 2) as decimal_places
    from stg_channels as channels
    left join int_normal_texts as texts
        on channels.currency = texts.value
    left join settings
        on
            channels.channel_id = settings.channel_id
            and texts.normal = settings.currency
    left join seed_currencies
        on texts.normal = seed_currencies.currency
)

select
    channel_id,
    home_currency,
    cast(
        case decimal_places when 0 then 1 when 1 then 10 when 2 then 100 when 3 then 1000 else 10000 end
        as decimal(5, 0)
    ) as units_per_currency,
    cast(
        case decimal_places when 0 then 1 when 1 then 0.1 when 2 then 0.01 when 3 then 0.001 else 0.0001 end
        as decimal(5, 4)
    ) as unit
from decimals
