-- One row per lead of the last 90 days: its first contact and the time it was observed.
select
    leads.channel_id,
    leads.zoho_lead_id,
    leads.lead_no,
    coalesce(contacts.is_contacted, false) as is_contacted,
    coalesce(contacts.contact_status = 'uncontacted', false) as is_waiting,
    coalesce(contacts.contact_status = 'contact_before_creation', false) as is_early,
    coalesce(contacts.contact_status = 'converted_without_logged_contact', false) as is_converted_without_contact,
    -- A lead leaves by its conversion because it went well, and not by chance. Kaplan-Meier needs leads that leave by
    -- chance, so such a lead is never at risk, and neither is one that was contacted before its creation.
    coalesce(contacts.contact_status in ('contacted', 'uncontacted'), false) as is_on_clock,
    contacts.seconds_to_first_contact,
    contacts.business_seconds_to_first_contact,
    contacts.observed_seconds,
    leads.created_at <= leads.as_of_utc - interval '1 hour' as is_1h_old,
    leads.created_at <= leads.as_of_utc - interval '24 hours' as is_24h_old
from metric_lead_window as leads
inner join lead_first_contact as contacts
    on
        leads.channel_id = contacts.channel_id
        and leads.zoho_lead_id = contacts.zoho_lead_id
where leads.is_recent
