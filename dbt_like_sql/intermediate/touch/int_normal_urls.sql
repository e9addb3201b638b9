-- One row per URL by which content is matched, without scheme, `www.`, query, fragment and trailing slash, with the
-- host in lower case.
with urls as (
    select
        channel_id,
        touch_type as side,
        zoho_lead_id as side_id,
        touch_at,
        'landing_url' as name,
        landing_url as raw_url
    from int_touch_inputs
    where landing_url is not null
    union all
    select
        channel_id,
        touch_type as side,
        zoho_lead_id as side_id,
        touch_at,
        'referrer_url' as name,
        referrer as raw_url
    from int_touch_inputs
    where referrer is not null
    union all
    select
        channel_id,
        'content' as side,
        content_id as side_id,
        cast(null as timestamp) as touch_at,
        'canonical_url' as name,
        canonical_url as raw_url
    from stg_content_items
    where canonical_url is not null
),

without_query as (
    select
        *,
        split_part(split_part(trim(raw_url), '#', 1), '?', 1) as location
    from urls
),

-- A scheme ends where the first slash of the text begins, because the path may contain another address.
without_scheme as (
    select
        *,
        case
            when strpos(location, '//') = 1 then substr(location, 3)
            when strpos(location, '://') > 0 and strpos(location, '://') + 1 = strpos(location, '/')
                then substr(location, strpos(location, '://') + 3)
            else location
        end as address
    from without_query
),

split_addresses as (
    select
        *,
        lower(split_part(address, '/', 1)) as host,
        substr(address, length(split_part(address, '/', 1)) + 1) as path
    from without_scheme
),

normalized as (
    select
        channel_id,
        side,
        side_id,
        touch_at,
        name,
        case when host like 'www.%' then substr(host, 5) else host end as host,
        rtrim(path, '/') as path
    from split_addresses
)

select
    channel_id,
    side,
    side_id,
    touch_at,
    name,
    -- A source is named by the host alone, without user and port.
    split_part(case when strpos(host, '@') > 0 then split_part(host, '@', 2) else host end, ':', 1) as host,
    host || path as url
from normalized
where host <> ''
