-- The first contact of a lead is a contact in the table of activities. No activity is later than as_of, lasts less than no
-- time, or is a conversation without being a contact.
select
    contacts.channel_id,
    contacts.first_contact_activity_id as activity_id
from lead_first_contact as contacts
left join activity
    on
        contacts.channel_id = activity.channel_id
        and contacts.first_contact_type = activity.activity_type
        and contacts.first_contact_activity_id = activity.activity_id
        and activity.is_contact
where
    contacts.first_contact_at is not null
    and activity.activity_id is null
union all
select
    channel_id,
    activity_id
from activity
where
    happened_at > as_of_utc
    or duration_seconds < 0
    or (is_conversation and not is_contact)
    or (is_contact and happened_at is null)
