select
    contacts.channel_id,
    contacts.zoho_lead_id,
    contacts.created_at,
    contacts.first_contact_at,
    contacts.first_contact_activity_id,
    contacts.first_contact_type,
    case
        when contacts.contact_status = 'contacted'
            then cast(date_diff('second', contacts.created_at, contacts.clock_stops_at) as bigint)
    end as seconds_to_first_contact,
    cast(
        case
            when contacts.contact_status = 'contacted'
                then date_diff('second', contacts.created_at, contacts.clock_stops_at) / 3600.0
        end as decimal(12, 2)
    ) as hours_to_first_contact,
    business.business_seconds as business_seconds_to_first_contact,
    cast(business.business_seconds / 3600.0 as decimal(12, 2)) as business_hours_to_first_contact,
    case
        when contacts.contact_status = 'contacted'
            then cast(date_diff('second', contacts.created_at, contacts.clock_stops_at) as bigint)
        when contacts.contact_status <> 'contact_before_creation'
            then
                cast(
                    date_diff('second', contacts.created_at, date_trunc('second', contacts.censored_at)) as bigint
                )
    end as observed_seconds,
    contacts.contact_status = 'contacted' as is_contacted,
    contacts.contact_status,
    contacts.first_conversation_at,
    contacts.as_of_utc
from int_lead_contacts as contacts
left join int_lead_business_seconds as business
    on
        contacts.channel_id = business.channel_id
        and contacts.zoho_lead_id = business.zoho_lead_id
