-- One row per submission of a form up to as_of: the live lead that sent it, and what the submission is to the lead. An
-- e-mail address beats a phone number. A suspect submission belongs to no lead.
with form_keys as (
    select
        channel_id,
        submission_id,
        submitted_at,
        'email' as matched_by,
        email_key as person_key
    from int_form_inputs
    where
        email_key is not null
        and not is_suspect
    union all
    select
        channel_id,
        submission_id,
        submitted_at,
        'phone' as matched_by,
        phone_key as person_key
    from int_form_inputs
    where
        phone_key is not null
        and not is_suspect
),

lead_keys as (
    select
        channel_id,
        record_id,
        case when kind in ('email', 'secondary_email') then 'email' else 'phone' end as matched_by,
        person_key
    from stg_person_keys
    where module = 'Leads'
),

-- A lead that was created later than the window allows is somebody's next lead, and not the answer to this form.
candidates as (
    select
        forms.channel_id,
        forms.submission_id,
        forms.submitted_at,
        forms.matched_by,
        leads.zoho_lead_id,
        leads.created_at,
        leads.created_at >= forms.submitted_at as is_after
    from form_keys as forms
    inner join lead_keys
        on
            forms.channel_id = lead_keys.channel_id
            and forms.matched_by = lead_keys.matched_by
            and forms.person_key = lead_keys.person_key
    inner join int_live_leads as leads
        on
            lead_keys.channel_id = leads.channel_id
            and lead_keys.record_id = leads.zoho_lead_id
    inner join int_parameters as parameters
        on forms.channel_id = parameters.channel_id
    where leads.created_at <= forms.submitted_at + parameters.forms_window_days * interval '1 day'
),

-- Of several leads with the same address, the form belongs to the one that was created nearest after it, and else to
-- the one nearest before it.
ranked as (
    select
        *,
        row_number() over (
            partition by channel_id, submission_id, matched_by
            order by
                case when is_after then 0 else 1 end,
                case when is_after then created_at end,
                case when not is_after then created_at end desc,
                length(zoho_lead_id),
                zoho_lead_id collate "C"
        ) as lead_rank
    from candidates
),

by_email as (
    select * from ranked
    where
        matched_by = 'email'
        and lead_rank = 1
),

by_phone as (
    select * from ranked
    where
        matched_by = 'phone'
        and lead_rank = 1
),

linked as (
    select
        forms.channel_id,
        forms.submission_id,
        forms.submitted_at,
        coalesce(by_email.zoho_lead_id, by_phone.zoho_lead_id) as zoho_lead_id,
        coalesce(by_email.matched_by, by_phone.matched_by) as matched_by,
        case when by_email.zoho_lead_id is not null then by_email.created_at else by_phone.created_at end as created_at,
        coalesce(by_email.zoho_lead_id <> by_phone.zoho_lead_id, false) as is_ambiguous
    from int_form_inputs as forms
    left join by_email
        on
            forms.channel_id = by_email.channel_id
            and forms.submission_id = by_email.submission_id
    left join by_phone
        on
            forms.channel_id = by_phone.channel_id
            and forms.submission_id = by_phone.submission_id
),

-- A person types the lead in up to a day after the form, and the clock of the visitor may be an hour ahead.
windows as (
    select
        *,
        coalesce(
            submitted_at >= created_at - interval '24 hours'
            and submitted_at <= created_at + interval '1 hour',
            false
        ) as is_near,
        submitted_at <= created_at as is_before
    from linked
),

-- One submission created the lead: of those that are near enough, the last one up to the creation, and else the first
-- one after it.
placed as (
    select
        *,
        row_number() over (
            partition by channel_id, zoho_lead_id
            order by
                case when is_near then 0 else 1 end,
                case when is_before then 0 else 1 end,
                case when is_before then submitted_at end desc,
                submitted_at,
                submission_id collate "C"
        ) as place
    from windows
)

select
    channel_id,
    submission_id,
    submitted_at,
    zoho_lead_id,
    cast(matched_by as varchar) as matched_by,
    cast(
        case
            when zoho_lead_id is null then 'none'
            when is_near and place = 1 then 'creating'
            when is_before then 'earlier'
            else 'later'
        end as varchar
    ) as relation,
    is_ambiguous
from placed
