-- One row per touch: the values of the visit. The UTM fields win over the parameters of the landing URL.
with touches as (
    select
        channel_id,
        zoho_lead_id,
        'lead_creation' as touch_type,
        created_at as touch_at,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        utm_id,
        activity_id,
        landing_url,
        referrer
    from int_lead_fields
    union all
    select
        fields.channel_id,
        fields.zoho_lead_id,
        'first_visit' as touch_type,
        fields.first_visited_at as touch_at,
        null as utm_source,
        null as utm_medium,
        null as utm_campaign,
        null as utm_content,
        null as utm_id,
        null as activity_id,
        fields.first_visited_url as landing_url,
        null as referrer
    from int_lead_fields as fields
    inner join int_parameters as parameters
        on fields.channel_id = parameters.channel_id
    where
        fields.first_visited_url is not null
        and fields.first_visited_at < fields.created_at
        and fields.first_visited_at >= fields.created_at - parameters.touch_window_days * interval '1 day'
),

-- Each parameter is preceded by '&', so that only its whole name is found: my_utm_source is not utm_source.
with_query as (
    select
        *,
        case
            when strpos(split_part(landing_url, '#', 1), '?') > 0
                then '&' || replace(
                    lower(
                        substr(
                            split_part(landing_url, '#', 1), strpos(split_part(landing_url, '#', 1), '?') + 1
                        )
                    ),
                    '?',
                    '&'
                )
        end as query
    from touches
),

with_parameters as (
    select
        *,
        nullif(split_part(split_part(query, '&utm_source=', 2), '&', 1), '') as query_source,
        nullif(split_part(split_part(query, '&utm_medium=', 2), '&', 1), '') as query_medium,
        nullif(split_part(split_part(query, '&utm_campaign=', 2), '&', 1), '') as query_campaign,
        nullif(split_part(split_part(query, '&utm_content=', 2), '&', 1), '') as query_content,
        nullif(split_part(split_part(query, '&utm_id=', 2), '&', 1), '') as query_id
    from with_query
)

select
    channel_id,
    zoho_lead_id,
    touch_type,
    touch_at,
    coalesce(utm_source, query_source) as utm_source,
    coalesce(utm_medium, query_medium) as utm_medium,
    coalesce(utm_campaign, query_campaign) as utm_campaign,
    coalesce(utm_content, query_content) as utm_content,
    coalesce(utm_id, query_id) as utm_id,
    activity_id,
    landing_url,
    referrer
from with_parameters
