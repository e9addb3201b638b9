-- Each submission up to as_of has its row. A submission that belongs to a lead belongs to a live one, is not suspect, and
-- lies in the time that its relation allows. One submission at most created a lead, and captured_by says so.
with raw_counts as (
    select
        forms.channel_id,
        count(*) as n_submissions
    from stg_form_submissions as forms
    inner join int_channel_clock as clock
        on forms.channel_id = clock.channel_id
    where
        clock.has_data
        and forms.submitted_at <= clock.as_of_utc
    group by forms.channel_id
),

mart_counts as (
    select
        channel_id,
        count(*) as n_submissions
    from form_submission
    group by channel_id
),

created_leads as (
    select
        channel_id,
        zoho_lead_id,
        count(*) as n_submissions
    from form_submission
    where relation = 'creating'
    group by channel_id, zoho_lead_id
)

select raw_counts.channel_id
from raw_counts
left join mart_counts
    on raw_counts.channel_id = mart_counts.channel_id
where raw_counts.n_submissions <> coalesce(mart_counts.n_submissions, 0)
union all
select forms.channel_id
from form_submission as forms
left join lead
    on
        forms.channel_id = lead.channel_id
        and forms.zoho_lead_id = lead.zoho_lead_id
where
    (forms.zoho_lead_id is null) <> (forms.relation = 'none')
    or (forms.matched_by is null) <> (forms.relation = 'none')
    or (forms.zoho_lead_id is not null and lead.zoho_lead_id is null)
    or (forms.is_suspect and (forms.zoho_lead_id is not null or forms.content_id is not null))
    or (forms.is_ambiguous and forms.matched_by <> 'email')
    or (forms.relation = 'earlier' and forms.submitted_at > lead.created_at)
    or (
        forms.relation = 'creating'
        and (
            forms.submitted_at < lead.created_at - interval '24 hours'
            or forms.submitted_at > lead.created_at + interval '1 hour'
        )
    )
union all
select lead.channel_id
from lead
left join created_leads
    on
        lead.channel_id = created_leads.channel_id
        and lead.zoho_lead_id = created_leads.zoho_lead_id
where
    (lead.captured_by = 'landing_page') <> (created_leads.zoho_lead_id is not null)
    or created_leads.n_submissions > 1
union all
-- What a form filled is known of leads alone that a form captured.
select attribution.channel_id
from lead_source_attribution as attribution
inner join lead
    on
        attribution.channel_id = lead.channel_id
        and attribution.zoho_lead_id = lead.zoho_lead_id
where
    attribution.touch_input_basis <> 'zoho'
    and lead.captured_by <> 'landing_page'
