select
    channel_id,
    zoho_lead_id
from lead_first_contact
where
    is_contacted <> (seconds_to_first_contact is not null)
    or seconds_to_first_contact < 0
    or business_seconds_to_first_contact < 0
    or business_seconds_to_first_contact > seconds_to_first_contact
    or observed_seconds < 0
