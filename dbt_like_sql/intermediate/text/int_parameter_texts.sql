-- One row per distinct value by which a touch or a content item is matched, if it is no URL. Forms have such values too.
select utm_source as value from int_lead_fields where utm_source is not null
union
select utm_medium as value from int_lead_fields where utm_medium is not null
union
select utm_campaign as value from int_lead_fields where utm_campaign is not null
union
select utm_content as value from int_lead_fields where utm_content is not null
union
select utm_term as value from int_lead_fields where utm_term is not null
union
select utm_id as value from int_lead_fields where utm_id is not null
union
select activity_id as value from int_lead_fields where activity_id is not null
union
select utm_source as value from stg_content_items where utm_source is not null
union
select utm_medium as value from stg_content_items where utm_medium is not null
union
select utm_campaign as value from stg_content_items where utm_campaign is not null
union
select utm_content as value from stg_content_items where utm_content is not null
union
select source_activity_id as value from stg_content_items where source_activity_id is not null
union
select content_id as value from stg_content_items
union
select utm_source as value from stg_form_submissions where utm_source is not null
union
select utm_medium as value from stg_form_submissions where utm_medium is not null
union
select utm_campaign as value from stg_form_submissions where utm_campaign is not null
union
select utm_content as value from stg_form_submissions where utm_content is not null
union
select utm_term as value from stg_form_submissions where utm_term is not null
union
select utm_id as value from stg_form_submissions where utm_id is not null
union
select activity_id as value from stg_form_submissions where activity_id is not null
union
select content_id as value from stg_form_submissions where content_id is not null
