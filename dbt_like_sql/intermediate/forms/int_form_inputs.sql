-- One row per submission of a form up to as_of: the values of the visit in normal form, as for touches. The fields of the
-- form win over the parameters of the landing URL, unless they are blank.
select
    forms.channel_id,
    forms.submission_id,
    forms.submitted_at,
    forms.email_key,
    forms.phone_key,
    forms.is_suspect,
    clock.as_of_utc,
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
    case
        when regexp_matches(replace(forms.gclid, '%20', ''), '[0-9A-Za-z]') then 'gclid'
        else landings.click_id_kind
    end as click_id_kind,
    coalesce(activities.normal, items.normal) as activity_id,
    landings.page as landing_page,
    landings.host as landing_host,
    case when landings.host is not null then coalesce(landings.path, '') end as landing_path,
    landings.site as landing_site,
    referrers.page as referrer_page,
    referrers.host as referrer_host,
    referrers.site as referrer_site
from stg_form_submissions as forms
inner join int_channel_clock as clock
    on forms.channel_id = clock.channel_id
left join int_parameter_texts as sources
    on forms.utm_source = sources.value
left join int_parameter_texts as mediums
    on forms.utm_medium = mediums.value
left join int_parameter_texts as campaigns
    on forms.utm_campaign = campaigns.value
left join int_parameter_texts as contents
    on forms.utm_content = contents.value
left join int_parameter_texts as terms
    on forms.utm_term = terms.value
left join int_parameter_texts as ids
    on forms.utm_id = ids.value
left join int_parameter_texts as activities
    on forms.activity_id = activities.value
left join int_parameter_texts as items
    on forms.content_id = items.value
left join int_url_texts as landings
    on forms.landing_url = landings.value
left join int_url_texts as referrers
    on forms.referrer = referrers.value
where
    clock.has_data
    and forms.submitted_at <= clock.as_of_utc
