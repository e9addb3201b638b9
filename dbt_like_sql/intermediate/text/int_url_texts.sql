-- One row per distinct URL of a lead, of a form or of a content item.
select landing_url as value from int_lead_fields where landing_url is not null
union
select referrer as value from int_lead_fields where referrer is not null
union
select first_visited_url as value from int_lead_fields where first_visited_url is not null
union
select canonical_url as value from stg_content_items where canonical_url is not null
union
select landing_url as value from stg_form_submissions where landing_url is not null
union
select referrer as value from stg_form_submissions where referrer is not null
