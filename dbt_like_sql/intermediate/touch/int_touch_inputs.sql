-- One row per touch: the values of the visit in normal form. A UTM field wins over the parameter of the landing URL,
-- unless it is blank. What the creation of a lead lacks is filled by the submission of the form that created the lead; a
-- value from Zoho always wins. Each submission of a form has a row too: the match of its content needs no lead.
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
        zoho_lead_id as record_id,
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
        visits.zoho_lead_id as record_id,
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
    union all
    select
        channel_id,
        submission_id as record_id,
        case when is_suspect then 'suspect_submit' else 'form_submit' end as touch_type,
        submitted_at as touch_at,
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
        false as has_first_visit
    from int_form_inputs
),

-- It is read twice: in whole, and for its submissions alone. Without a copy, the engine makes only what is read.
normal as not materialized (
    select
        touches.channel_id,
        touches.record_id,
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
),

creating as (
    select
        matches.zoho_lead_id,
        matches.matched_by,
        forms.*
    from int_form_matches as matches
    inner join normal as forms
        on
            matches.channel_id = forms.channel_id
            and matches.submission_id = forms.record_id
    where
        matches.relation = 'creating'
        and forms.touch_type = 'form_submit'
)

select
    -- A number joins faster than three texts. It means nothing outside this run.
    row_number() over () as touch_no,
    normal.channel_id,
    normal.record_id,
    normal.touch_type,
    normal.touch_at,
    coalesce(normal.utm_source_raw, creating.utm_source_raw) as utm_source_raw,
    coalesce(normal.utm_source_shown, creating.utm_source_shown) as utm_source_shown,
    coalesce(normal.utm_source, creating.utm_source) as utm_source,
    coalesce(normal.utm_medium, creating.utm_medium) as utm_medium,
    coalesce(normal.utm_campaign, creating.utm_campaign) as utm_campaign,
    coalesce(normal.utm_content, creating.utm_content) as utm_content,
    coalesce(normal.utm_id, creating.utm_id) as utm_id,
    coalesce(normal.utm_medium_shown, creating.utm_medium_shown) as utm_medium_shown,
    coalesce(normal.utm_campaign_shown, creating.utm_campaign_shown) as utm_campaign_shown,
    coalesce(normal.utm_content_shown, creating.utm_content_shown) as utm_content_shown,
    coalesce(normal.utm_term_shown, creating.utm_term_shown) as utm_term_shown,
    coalesce(normal.utm_id_shown, creating.utm_id_shown) as utm_id_shown,
    coalesce(normal.click_id_kind, creating.click_id_kind) as click_id_kind,
    coalesce(normal.activity_id, creating.activity_id) as activity_id,
    coalesce(normal.landing_page, creating.landing_page) as landing_page,
    case when normal.landing_page is null then creating.landing_host else normal.landing_host end as landing_host,
    case when normal.landing_page is null then creating.landing_path else normal.landing_path end as landing_path,
    case when normal.landing_page is null then creating.landing_site else normal.landing_site end as landing_site,
    coalesce(normal.referrer_page, creating.referrer_page) as referrer_page,
    case when normal.referrer_page is null then creating.referrer_host else normal.referrer_host end as referrer_host,
    case when normal.referrer_page is null then creating.referrer_site else normal.referrer_site end as referrer_site,
    normal.has_first_visit,
    case
        when normal.touch_type in ('form_submit', 'suspect_submit') then 'form'
        when not coalesce(
            (normal.utm_source is null and creating.utm_source is not null)
            or (normal.utm_medium is null and creating.utm_medium is not null)
            or (normal.utm_campaign is null and creating.utm_campaign is not null)
            or (normal.utm_content is null and creating.utm_content is not null)
            or (normal.utm_term_shown is null and creating.utm_term_shown is not null)
            or (normal.utm_id is null and creating.utm_id is not null)
            or (normal.click_id_kind is null and creating.click_id_kind is not null)
            or (normal.activity_id is null and creating.activity_id is not null)
            or (normal.landing_page is null and creating.landing_page is not null)
            or (normal.referrer_page is null and creating.referrer_page is not null),
            false
        ) then 'zoho'
        when coalesce(
            normal.utm_source,
            normal.utm_medium,
            normal.utm_campaign,
            normal.utm_content,
            normal.utm_term_shown,
            normal.utm_id,
            normal.click_id_kind,
            normal.activity_id,
            normal.landing_page,
            normal.referrer_page
        ) is not null then 'mixed'
        else 'form'
    end as touch_input_basis,
    coalesce(creating.matched_by, submitted.matched_by) as matched_by
from normal
left join creating
    on
        normal.channel_id = creating.channel_id
        and normal.record_id = creating.zoho_lead_id
        and normal.touch_type = 'lead_creation'
left join int_form_matches as submitted
    on
        normal.channel_id = submitted.channel_id
        and normal.record_id = submitted.submission_id
        and normal.touch_type = 'form_submit'
