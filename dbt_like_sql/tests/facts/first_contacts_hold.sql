-- No time is negative, and a lead is contacted exactly if it has seconds to its first contact.
select
    channel_id,
    zoho_lead_id
from lead_first_contact
where
    is_contacted <> (seconds_to_first_contact is not null)
    or is_contacted <> (business_seconds_to_first_contact is not null)
    or seconds_to_first_contact < 0
    or business_seconds_to_first_contact < 0
    or business_seconds_to_first_contact > seconds_to_first_contact
    or observed_seconds < 0
    or first_contact_at > as_of_utc
