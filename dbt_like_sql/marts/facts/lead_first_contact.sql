with timed as (
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
        business.business_seconds as business_seconds_to_first_contact,
        cast(date_diff('second', contacts.created_at, date_trunc('second', contacts.censored_at)) as bigint)
            as censored_seconds,
        contacts.contact_status,
        contacts.first_conversation_at,
        contacts.as_of_utc
    from int_lead_contacts as contacts
    left join int_lead_business_seconds as business
        on
            contacts.channel_id = business.channel_id
            and contacts.zoho_lead_id = business.zoho_lead_id
),

watched as (
    select
        *,
        case
            when contact_status = 'contacted' then seconds_to_first_contact
            when contact_status in ('uncontacted', 'converted_without_logged_contact') then censored_seconds
        end as observed_seconds
    from timed
)

-- Hours are rounded in whole numbers, because DuckDB divides as doubles and would round differently from Postgres.
select
    channel_id,
    zoho_lead_id,
    created_at,
    first_contact_at,
    first_contact_activity_id,
    first_contact_type,
    seconds_to_first_contact,
    cast(((seconds_to_first_contact + 18) // 36) * 0.01 as decimal(12, 2)) as hours_to_first_contact,
    business_seconds_to_first_contact,
    cast(((business_seconds_to_first_contact + 18) // 36) * 0.01 as decimal(12, 2))
        as business_hours_to_first_contact,
    observed_seconds,
    cast(((observed_seconds + 18) // 36) * 0.01 as decimal(12, 2)) as observed_hours,
    contact_status = 'contacted' as is_contacted,
    contact_status,
    first_conversation_at,
    as_of_utc
from watched
