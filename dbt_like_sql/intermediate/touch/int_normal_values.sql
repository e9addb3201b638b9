-- One row per value by which content is matched: trimmed, URL-decoded and in lower case. A value that is only blanks
-- is left out. The UTM triple is source, medium and campaign together, with the unit separator between them.
with plain_values as (
    select
        match_values.channel_id,
        match_values.side,
        match_values.side_id,
        match_values.touch_at,
        match_values.name,
        match_values.raw_value,
        coalesce(decoded.decoded_value, match_values.encoded_value) as value
    from int_match_values as match_values
    left join int_decoded_values as decoded
        on match_values.encoded_value = decoded.encoded_value
    where coalesce(decoded.decoded_value, match_values.encoded_value) <> ''
),

triples as (
    select
        channel_id,
        side,
        side_id,
        touch_at,
        'utm_triple' as name,
        cast(null as varchar) as raw_value,
        max(case when name = 'utm_source' then value end)
        || chr(31) || max(case when name = 'utm_medium' then value end)
        || chr(31) || max(case when name = 'utm_campaign' then value end) as value
    from plain_values
    group by channel_id, side, side_id, touch_at
)

select * from plain_values
union all
select * from triples
where value is not null
