-- The lead of a contact is the one that created it: the earliest conversion, and of several the smallest id.
with converted as (
    select
        channel_id,
        converted_contact_id,
        zoho_lead_id,
        row_number() over (
            partition by channel_id, converted_contact_id
            order by converted_at, length(zoho_lead_id), zoho_lead_id collate "C"
        ) as conversion_rank
    from int_live_leads
    where converted_contact_id is not null
)

select
    channel_id,
    zoho_lead_id as person_id,
    'lead' as kind,
    first_name,
    last_name,
    full_name,
    email,
    secondary_email,
    phone,
    mobile,
    company,
    converted_account_id as account_id,
    zoho_lead_id,
    as_of_utc
from int_live_leads
union all
select
    contacts.channel_id,
    contacts.contact_id as person_id,
    'contact' as kind,
    contacts.first_name,
    contacts.last_name,
    contacts.full_name,
    contacts.email,
    contacts.secondary_email,
    contacts.phone,
    contacts.mobile,
    contacts.account_name as company,
    contacts.account_id,
    converted.zoho_lead_id,
    clock.as_of_utc
from int_channel_clock as clock
inner join stg_contacts as contacts
    on clock.channel_id = contacts.channel_id
left join converted
    on
        contacts.channel_id = converted.channel_id
        and contacts.contact_id = converted.converted_contact_id
        and converted.conversion_rank = 1
where
    clock.has_data
    and coalesce(contacts.record_status, '') not in (
        select value from int_normal_texts where normal in ('trash', 'draft')
    )
    and coalesce(contacts.created_at <= clock.as_of_utc, true)
