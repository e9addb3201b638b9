-- One row per lead and activity that is about it: the lead's own activities and, from the creation of the lead on, those
-- of its contact and its deal.
with parties as (
    select
        channel_id,
        zoho_lead_id,
        zoho_lead_id as party_id,
        'leads' as party_module,
        1 as link_order,
        created_at,
        cast(null as timestamp) as counts_from
    from int_live_leads
    union all
    select
        channel_id,
        zoho_lead_id,
        converted_contact_id as party_id,
        'contacts' as party_module,
        3 as link_order,
        created_at,
        created_at as counts_from
    from int_live_leads
    where converted_contact_id is not null
    union all
    select
        channel_id,
        zoho_lead_id,
        converted_deal_id as party_id,
        'deals' as party_module,
        2 as link_order,
        created_at,
        created_at as counts_from
    from int_live_leads
    where converted_deal_id is not null
),

-- Who_Id names a person of either module. What_Id is read together with the module beside it.
links as (
    select
        channel_id,
        activity_type,
        activity_id,
        activity_at,
        is_contact,
        is_conversation,
        who_id as linked_id,
        null as linked_module
    from int_activities
    where who_id is not null
    union all
    select
        channel_id,
        activity_type,
        activity_id,
        activity_at,
        is_contact,
        is_conversation,
        what_id as linked_id,
        about_module as linked_module
    from int_activities
    where what_id is not null
)

select
    parties.channel_id,
    parties.zoho_lead_id,
    links.activity_type,
    links.activity_id,
    links.activity_at,
    links.is_contact,
    links.is_conversation,
    min(parties.link_order) as link_order,
    max(parties.created_at) as lead_created_at
from parties
inner join links
    on
        parties.channel_id = links.channel_id
        and parties.party_id = links.linked_id
        and coalesce(links.linked_module, parties.party_module) = parties.party_module
        and coalesce(links.activity_at >= parties.counts_from, true)
group by
    parties.channel_id,
    parties.zoho_lead_id,
    links.activity_type,
    links.activity_id,
    links.activity_at,
    links.is_contact,
    links.is_conversation
