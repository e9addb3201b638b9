-- One row per URL that content is matched by: no scheme, `www.`, query, fragment or trailing slash, host lower-cased.
with urls as (
    select
        channel_id,
        touch_type as side,
        zoho_lead_id as side_id,
        'landing_url' as name,
        landing_url as raw_url
    from int_touch_inputs
    where landing_url is not null
    union all
    select
        channel_id,
        touch_type as side,
        zoho_lead_id as side_id,
        'referrer_url' as name,
        referrer as raw_url
    from int_touch_inputs
    where referrer is not null
    union all
    select
        channel_id,
        'content' as side,
        content_id as side_id,
        'canonical_url' as name,
        canonical_url as raw_url
    from stg_content_items
    where canonical_url is not null
),

without_query as (
    select
        *,
        regexp_replace(
            split_part(split_part(trim(raw_url), '#', 1), '?', 1), '^([A-Za-z][A-Za-z0-9+.-]*:)?//', ''
        ) as address
    from urls
),

split_addresses as (
    select
        *,
        lower(split_part(address, '/', 1)) as host,
        substr(address, length(split_part(address, '/', 1)) + 1) as path
    from without_query
),

normalized as (
    select
        channel_id,
        side,
        side_id,
        name,
        regexp_replace(host, '^www[.]', '') as host,
        rtrim(path, '/') as path
    from split_addresses
)

select
    channel_id,
    side,
    side_id,
    name,
    -- the host alone names a source: neither user nor port belong to it
    regexp_replace(regexp_replace(host, '^.*@', ''), ':[0-9]*$', '') as host,
    host || path as url
from normalized
where host <> ''
