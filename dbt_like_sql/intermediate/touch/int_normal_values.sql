-- One row per value that content is matched by: trimmed, URL-decoded, lower-cased; nothing but blanks is no value.
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
