-- One row per live lead: the content of its touches, and the match of the touch that last_touch credits. A touch without
-- content takes no credit if another touch has content, as a direct visit is passed over in web analytics.
with form_touches as (
    select
        forms.channel_id,
        forms.zoho_lead_id,
        touches.touch_at,
        touches.match_rule,
        touches.content_id,
        touches.match_confidence,
        touches.is_ambiguous,
        -- the last one with content, and else any
        row_number() over (
            partition by forms.channel_id, forms.zoho_lead_id
            order by
                case when touches.content_id is null then 1 else 0 end,
                touches.touch_at desc,
                forms.submission_id collate "C" desc
        ) as touch_rank
    from int_form_matches as forms
    inner join int_touch_matches as touches
        on
            forms.channel_id = touches.channel_id
            and forms.submission_id = touches.record_id
            and touches.touch_type = 'form_submit'
    where forms.relation = 'earlier'
),

touches as (
    select
        creation.channel_id,
        creation.record_id as zoho_lead_id,
        creation.touch_at as created_at,
        creation.content_id as created_content_id,
        visit.record_id is not null as has_first_visit,
        visit.touch_at as first_visit_at,
        visit.content_id as first_visit_content_id,
        form.zoho_lead_id is not null as has_form_submit,
        case
            when creation.content_id is not null then 'lead_creation'
            when form.content_id is not null and (visit.content_id is null or form.touch_at >= visit.touch_at)
                then 'form_submit'
            when visit.content_id is not null then 'first_visit'
            else 'lead_creation'
        end as credited_touch,
        creation.match_rule as created_match_rule,
        creation.match_confidence as created_match_confidence,
        creation.is_ambiguous as created_is_ambiguous,
        visit.match_rule as first_visit_match_rule,
        visit.match_confidence as first_visit_match_confidence,
        visit.is_ambiguous as first_visit_is_ambiguous,
        form.content_id as form_content_id,
        form.match_rule as form_match_rule,
        form.match_confidence as form_match_confidence,
        form.is_ambiguous as form_is_ambiguous
    from int_touch_matches as creation
    left join int_touch_matches as visit
        on
            creation.channel_id = visit.channel_id
            and creation.record_id = visit.record_id
            and visit.touch_type = 'first_visit'
    left join form_touches as form
        on
            creation.channel_id = form.channel_id
            and creation.record_id = form.zoho_lead_id
            and form.touch_rank = 1
    where creation.touch_type = 'lead_creation'
)

select
    channel_id,
    zoho_lead_id,
    created_at,
    created_content_id,
    has_first_visit,
    first_visit_at,
    first_visit_content_id,
    has_form_submit,
    case credited_touch
        when 'form_submit' then form_match_rule
        when 'first_visit' then first_visit_match_rule
        else created_match_rule
    end as match_rule,
    case credited_touch
        when 'form_submit' then form_content_id
        when 'first_visit' then first_visit_content_id
        else created_content_id
    end as content_id,
    case credited_touch
        when 'form_submit' then form_match_confidence
        when 'first_visit' then first_visit_match_confidence
        else created_match_confidence
    end as match_confidence,
    case credited_touch
        when 'form_submit' then form_is_ambiguous
        when 'first_visit' then first_visit_is_ambiguous
        else created_is_ambiguous
    end as is_ambiguous
from touches
