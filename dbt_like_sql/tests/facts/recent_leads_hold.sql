-- A recent lead that is not newer than as_of is a live lead, and no live lead outside the list is newer than one in it.
select recent.channel_id
from recent_lead as recent
left join lead
    on
        recent.channel_id = lead.channel_id
        and recent.zoho_lead_id = lead.zoho_lead_id
where (lead.zoho_lead_id is null) <> recent.is_newer_than_as_of
union all
select lead.channel_id
from lead
left join recent_lead as recent
    on
        lead.channel_id = recent.channel_id
        and lead.zoho_lead_id = recent.zoho_lead_id
inner join (
    select
        channel_id,
        count(*) as n_leads,
        min(created_at) as oldest
    from recent_lead
    group by channel_id
) as listed
    on lead.channel_id = listed.channel_id
where
    recent.zoho_lead_id is null
    and (listed.n_leads < 200 or lead.created_at > listed.oldest)
