with addresses as (
    select
        leads.channel_id,
        emails.normal as address,
        count(*) as n_leads
    from int_live_leads as leads
    inner join int_email_texts as emails
        on leads.email = emails.value
    where emails.normal is not null
    group by leads.channel_id, emails.normal
)

select
    leads.channel_id,
    leads.zoho_lead_id,
    'zoho_crm' as source,
    case when forms.submission_id is not null then 'landing_page' else 'zoho_crm' end as captured_by,
    leads.lead_status,
    attribution.lead_source,
    leads.owner_id,
    coalesce(users.full_name, leads.owner_name) as owner_name,
    leads.company,
    leads.created_at,
    leads.modified_at,
    leads.created_local,
    leads.is_converted,
    leads.converted_at,
    leads.converted_contact_id,
    leads.converted_account_id,
    leads.converted_deal_id,
    attribution.source_activity_id,
    coalesce(addresses.n_leads > 1, false) as is_duplicate_email,
    leads.as_of_utc
from int_live_leads as leads
inner join lead_source_attribution as attribution
    on
        leads.channel_id = attribution.channel_id
        and leads.zoho_lead_id = attribution.zoho_lead_id
left join int_email_texts as emails
    on leads.email = emails.value
left join addresses
    on
        leads.channel_id = addresses.channel_id
        and emails.normal = addresses.address
left join stg_users as users
    on
        leads.channel_id = users.channel_id
        and leads.owner_id = users.user_id
left join int_form_matches as forms
    on
        leads.channel_id = forms.channel_id
        and leads.zoho_lead_id = forms.zoho_lead_id
        and forms.relation = 'creating'
