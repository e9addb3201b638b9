-- One row per distinct word that is compared: picklist values, sources, currencies, names of modules, content types.
select record_status as value from stg_leads where record_status is not null
union
select lead_source as value from stg_leads where lead_source is not null
union
select record_status as value from stg_deals where record_status is not null
union
select currency as value from stg_deals where currency is not null
union
select record_status as value from stg_contacts where record_status is not null
union
select call_type as value from stg_calls where call_type is not null
union
select call_status as value from stg_calls where call_status is not null
union
select outgoing_call_status as value from stg_calls where outgoing_call_status is not null
union
select outbound_call_status as value from stg_calls where outbound_call_status is not null
union
select se_module as value from stg_calls where se_module is not null
union
select se_module as value from stg_events where se_module is not null
union
select status as value from stg_tasks where status is not null
union
select se_module as value from stg_tasks where se_module is not null
union
select status as value from stg_users where status is not null
union
select source as value from stg_emails where source is not null
union
select module as value from stg_emails where module is not null
union
select forecast_type as value from stg_deal_stages where forecast_type is not null
union
select holiday_type as value from stg_holidays where holiday_type is not null
union
select currency as value from stg_channels where currency is not null
union
select iso_code as value from stg_currencies
union
select content_type as value from stg_content_items where content_type is not null
union
select raw_value as value from stg_channel_lead_source_map
union
select lead_source as value from stg_channel_lead_source_map
union
select lead_source as value from seed_lead_source_map
union
select lead_source as value from seed_click_ids
