-- One row per submission of a form up to as_of, of channels with data. The values of its visit are as the form sent them;
-- int_touch_inputs has their normal form.
select
    forms.channel_id,
    forms.submission_id,
    forms.submitted_at,
    forms.email_key,
    forms.phone_key,
    forms.is_suspect,
    clock.as_of_utc,
    forms.utm_source,
    forms.utm_medium,
    forms.utm_campaign,
    forms.utm_content,
    forms.utm_term,
    forms.utm_id,
    -- A click id has a letter or a digit, also once blanks are decoded.
    case
        when regexp_matches(replace(forms.gclid, '%20', ''), '[0-9A-Za-z]') then cast(gclid.position as integer)
    end as click_id_position,
    case when activities.normal is null then forms.content_id else forms.activity_id end as activity_id,
    forms.landing_url,
    forms.referrer
from stg_form_submissions as forms
inner join int_channel_clock as clock
    on forms.channel_id = clock.channel_id
inner join seed_click_ids as gclid
    on gclid.click_id_kind = 'gclid'
left join int_parameter_texts as activities
    on forms.activity_id = activities.value
where
    clock.has_data
    and forms.submitted_at <= clock.as_of_utc
