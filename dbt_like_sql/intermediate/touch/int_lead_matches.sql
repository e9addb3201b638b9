-- One row per live lead: the content of its touches, and the match of the touch that last_touch credits. A touch without
-- content takes no credit if the other touch has content, as a direct visit is passed over in web analytics.
select
    creation.channel_id,
    creation.zoho_lead_id,
    creation.touch_at as created_at,
    creation.content_id as created_content_id,
    visit.zoho_lead_id is not null as has_first_visit,
    visit.touch_at as first_visit_at,
    visit.content_id as first_visit_content_id,
    case when creation.content_id is null and visit.content_id is not null then visit.match_rule
        else creation.match_rule
    end as match_rule,
    coalesce(creation.content_id, visit.content_id) as content_id,
    case when creation.content_id is null and visit.content_id is not null then visit.match_confidence
        else creation.match_confidence
    end as match_confidence,
    case when creation.content_id is null and visit.content_id is not null then visit.is_ambiguous
        else creation.is_ambiguous
    end as is_ambiguous
from int_touch_matches as creation
left join int_touch_matches as visit
    on
        creation.channel_id = visit.channel_id
        and creation.zoho_lead_id = visit.zoho_lead_id
        and visit.touch_type = 'first_visit'
where creation.touch_type = 'lead_creation'
