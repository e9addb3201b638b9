-- One row per touch: the values of the visit in normal form. A UTM field wins over the parameter of the landing URL,
-- unless it is blank.
with first_visits as (
    select
        fields.channel_id,
        fields.zoho_lead_id,
        fields.created_at,
        fields.first_visited_url,
        coalesce(times.utc, (times.local at time zone fields.timezone) at time zone 'UTC') as visited_at
    from int_lead_fields as fields
    inner join int_time_texts as times
        on fields.first_visited_time = times.value
    where fields.first_visited_url is not null
),

touches as (
    select
        channel_id,
        zoho_lead_id,
        'lead_creation' as touch_type,
        created_at as touch_at,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        utm_term,
        utm_id,
        click_id_position,
        activity_id,
        landing_url,
        referrer,
        first_visited_url is not null as has_first_visit
    from int_lead_fields
    union all
    select
        visits.channel_id,
        visits.zoho_lead_id,
        'first_visit' as touch_type,
        visits.visited_at as touch_at,
        null as utm_source,
        null as utm_medium,
        null as utm_campaign,
        null as utm_content,
        null as utm_term,
        null as utm_id,
        null as click_id_position,
        null as activity_id,
        visits.first_visited_url as landing_url,
        null as referrer,
        true as has_first_visit
    from first_visits as visits
    inner join int_parameters as parameters
        on visits.channel_id = parameters.channel_id
    where
        visits.visited_at < visits.created_at
        and visits.visited_at >= visits.created_at - parameters.touch_window_days * interval '1 day'
)

select
    touches.channel_id,
    touches.zoho_lead_id,
    touches.touch_type,
    touches.touch_at,
    case when sources.normal is not null then sources.raw else landings.utm_source end as utm_source_raw,
    coalesce(sources.shown, landings.utm_source) as utm_source_shown,
    coalesce(sources.normal, landings.utm_source_normal) as utm_source,
    coalesce(mediums.normal, landings.utm_medium_normal) as utm_medium,
    coalesce(campaigns.normal, landings.utm_campaign_normal) as utm_campaign,
    coalesce(contents.normal, landings.utm_content_normal) as utm_content,
    coalesce(ids.normal, landings.utm_id_normal) as utm_id,
    coalesce(mediums.shown, landings.utm_medium) as utm_medium_shown,
    coalesce(campaigns.shown, landings.utm_campaign) as utm_campaign_shown,
    coalesce(contents.shown, landings.utm_content) as utm_content_shown,
    coalesce(terms.shown, landings.utm_term) as utm_term_shown,
    coalesce(ids.shown, landings.utm_id) as utm_id_shown,
    clicks.click_id_kind,
    activities.normal as activity_id,
    landings.page as landing_page,
    landings.host as landing_host,
    case when landings.host is not null then coalesce(landings.path, '') end as landing_path,
    landings.site as landing_site,
    referrers.page as referrer_page,
    referrers.host as referrer_host,
    referrers.site as referrer_site,
    touches.has_first_visit
from touches
left join int_parameter_texts as sources
    on touches.utm_source = sources.value
left join int_parameter_texts as mediums
    on touches.utm_medium = mediums.value
left join int_parameter_texts as campaigns
    on touches.utm_campaign = campaigns.value
left join int_parameter_texts as contents
    on touches.utm_content = contents.value
left join int_parameter_texts as terms
    on touches.utm_term = terms.value
left join int_parameter_texts as ids
    on touches.utm_id = ids.value
left join int_parameter_texts as activities
    on touches.activity_id = activities.value
left join int_url_texts as landings
    on touches.landing_url = landings.value
left join int_url_texts as referrers
    on touches.referrer = referrers.value
left join seed_click_ids as landing_clicks
    on landings.click_id_kind = landing_clicks.click_id_kind
-- Of a field and a parameter of the landing URL, the kind that is first in the list counts.
left join seed_click_ids as clicks
    on least(touches.click_id_position, cast(landing_clicks.position as integer)) = cast(clicks.position as integer)
