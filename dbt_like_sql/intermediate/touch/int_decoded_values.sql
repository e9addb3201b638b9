-- One row per distinct value with a percent sign, URL-decoded as UTF-8. It is plain SQL, because the engines have no
-- decoder in common: each %xx is a byte, and one to four bytes are a character. Bytes that are not valid UTF-8 stay
-- as they are.
with encoded as (
    select distinct encoded_value as value
    from int_match_values
    where strpos(encoded_value, '%') > 0
),

characters as (
    select
        encoded.value,
        numbers.n + 1 as position,
        substr(encoded.value, numbers.n + 1, 1) as plain,
        strpos('0123456789abcdef', substr(encoded.value, numbers.n + 2, 1)) - 1 as high,
        strpos('0123456789abcdef', substr(encoded.value, numbers.n + 3, 1)) - 1 as low
    from encoded
    inner join int_numbers as numbers
        on numbers.n < length(encoded.value)
),

with_bytes as (
    select
        value,
        position,
        plain,
        case
            when plain = '%' and position + 2 <= length(value) and high >= 0 and low >= 0 then 16 * high + low
        end as byte
    from characters
),

-- The two hex digits after a percent sign belong to its token.
inside_tokens as (
    select
        *,
        lag(byte, 1) over (partition by value order by position) as byte_before,
        lag(byte, 2) over (partition by value order by position) as byte_two_before
    from with_bytes
),

followed as (
    select
        *,
        lead(byte, 1) over (partition by value order by position) as byte_2,
        lead(byte, 2) over (partition by value order by position) as byte_3,
        lead(byte, 3) over (partition by value order by position) as byte_4
    from inside_tokens
    where byte_before is null and byte_two_before is null
),

code_points as (
    select
        *,
        case
            when byte between 1 and 127 then byte
            when byte between 194 and 223 and byte_2 between 128 and 191 then (byte - 192) * 64 + byte_2 - 128
            when
                byte between 224 and 239
                and byte_2 between 128 and 191
                and byte_3 between 128 and 191
                -- Overlong forms and surrogates are not characters.
                and not (byte = 224 and byte_2 < 160)
                and not (byte = 237 and byte_2 > 159)
                then (byte - 224) * 4096 + (byte_2 - 128) * 64 + byte_3 - 128
            when
                byte between 240 and 244
                and byte_2 between 128 and 191
                and byte_3 between 128 and 191
                and byte_4 between 128 and 191
                and not (byte = 240 and byte_2 < 144)
                and not (byte = 244 and byte_2 > 143)
                then (byte - 240) * 262144 + (byte_2 - 128) * 4096 + (byte_3 - 128) * 64 + byte_4 - 128
        end as code_point
    from followed
),

behind as (
    select
        *,
        lag(code_point, 1) over (partition by value order by position) as code_point_1_before,
        lag(code_point, 2) over (partition by value order by position) as code_point_2_before,
        lag(code_point, 3) over (partition by value order by position) as code_point_3_before
    from code_points
),

pieces as (
    select
        value,
        position,
        case
            when
                byte between 128 and 191
                and (code_point_1_before > 127 or code_point_2_before > 2047 or code_point_3_before > 65535)
                then ''
            when code_point is not null then chr(cast(code_point as integer))
            when byte is not null then substr(value, position, 3)
            else plain
        end as piece
    from behind
)

select
    value as encoded_value,
    lower(trim(string_agg(piece, '' order by position nulls first))) as decoded_value
from pieces
group by value
