-- The newest live leads of a channel, also those that are newer than as_of: a list shows a lead as soon as it is loaded.
-- No number is computed from this table. The attribution of a lead newer than as_of is not known yet.
with ranked as (
    select
        clock.channel_id,
        leads.zoho_lead_id,
        row_number() over (
            partition by clock.channel_id
            order by leads.created_at desc nulls last, leads.zoho_lead_id collate "C" desc
        ) as lead_rank
    from int_channel_clock as clock
    inner join stg_leads as leads
        on clock.channel_id = leads.channel_id
    where
        clock.has_data
        and coalesce(leads.record_status, '') not in (
            select value from int_normal_texts where normal in ('trash', 'draft')
        )
),

live as (
    select
        clock.channel_id,
        clock.as_of_utc,
        clock.timezone,
        leads.zoho_lead_id,
        leads.created_at,
        leads.full_name,
        leads.email,
        coalesce(leads.phone, leads.mobile) as phone,
        leads.company,
        leads.lead_status,
        leads.lead_source,
        leads.owner_id,
        leads.owner_name,
        coalesce(leads.is_converted, false) as is_converted,
        leads.synced_at,
        ranked.lead_rank
    from ranked
    inner join int_channel_clock as clock
        on ranked.channel_id = clock.channel_id
    inner join stg_leads as leads
        on
            ranked.channel_id = leads.channel_id
            and ranked.zoho_lead_id = leads.zoho_lead_id
    where ranked.lead_rank <= 200
)

select
    live.channel_id,
    live.zoho_lead_id,
    live.lead_rank,
    live.created_at,
    (live.created_at at time zone 'UTC') at time zone live.timezone as created_local,
    live.full_name,
    live.email,
    live.phone,
    live.company,
    live.lead_status,
    coalesce(attribution.lead_source, case when missing.name is null then declared.shown end) as lead_source,
    coalesce(users.full_name, live.owner_name) as owner_name,
    attribution.content_id,
    content.title as content_title,
    case
        when attribution.zoho_lead_id is null then null
        when forms.submission_id is not null then 'landing_page'
        else 'zoho_crm'
    end as captured_by,
    live.is_converted,
    coalesce(live.created_at > live.as_of_utc, false) as is_newer_than_as_of,
    live.synced_at as loaded_at,
    live.as_of_utc
from live
left join lead_source_attribution as attribution
    on
        live.channel_id = attribution.channel_id
        and live.zoho_lead_id = attribution.zoho_lead_id
left join int_normal_texts as declared
    on live.lead_source = declared.value
left join seed_missing_sources as missing
    on declared.normal = missing.name
left join stg_content_items as content
    on
        attribution.channel_id = content.channel_id
        and attribution.content_id = content.content_id
left join int_form_matches as forms
    on
        live.channel_id = forms.channel_id
        and live.zoho_lead_id = forms.zoho_lead_id
        and forms.relation = 'creating'
left join stg_users as users
    on
        live.channel_id = users.channel_id
        and live.owner_id = users.user_id
