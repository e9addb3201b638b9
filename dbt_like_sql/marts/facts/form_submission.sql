-- One row per submission of a form up to as_of, also if it is suspect or belongs to no lead. The content is the one that
-- the submission itself names, whatever Zoho says of the lead.
select
    forms.channel_id,
    forms.submission_id,
    'landing_page' as source,
    forms.submitted_at,
    forms.received_at,
    forms.form_id,
    inputs.landing_host,
    inputs.landing_path,
    inputs.utm_source_shown as utm_source,
    inputs.utm_medium_shown as utm_medium,
    inputs.utm_campaign_shown as utm_campaign,
    inputs.utm_term_shown as utm_term,
    inputs.utm_content_shown as utm_content,
    inputs.utm_id_shown as utm_id,
    contents.content_id,
    coalesce(contents.match_rule, 'none') as match_rule,
    matches.zoho_lead_id,
    matches.matched_by,
    matches.relation,
    forms.is_suspect,
    forms.suspect_reason,
    matches.is_ambiguous,
    clock.as_of_utc
from stg_form_submissions as forms
inner join int_channel_clock as clock
    on forms.channel_id = clock.channel_id
inner join int_touch_inputs as inputs
    on
        forms.channel_id = inputs.channel_id
        and forms.submission_id = inputs.record_id
        and inputs.touch_type in ('form_submit', 'suspect_submit')
inner join int_form_matches as matches
    on
        forms.channel_id = matches.channel_id
        and forms.submission_id = matches.submission_id
left join int_touch_matches as contents
    on
        forms.channel_id = contents.channel_id
        and forms.submission_id = contents.record_id
        and contents.touch_type = 'form_submit'
