-- One row per live activity up to as_of, with the one lead that it belongs to: the lead that it names, or else the lead of
-- the deal, or else of the contact that it names. Of several leads of a contact, it is the one that was created last.
with ranked as (
    select
        channel_id,
        activity_type,
        activity_id,
        zoho_lead_id,
        row_number() over (
            partition by channel_id, activity_type, activity_id
            order by link_order, lead_created_at desc nulls last, length(zoho_lead_id), zoho_lead_id collate "C"
        ) as lead_rank
    from int_lead_activities
)

select
    activities.channel_id,
    activities.activity_type,
    activities.activity_id,
    ranked.zoho_lead_id,
    deals.deal_id as zoho_deal_id,
    activities.owner_id,
    coalesce(users.full_name, activities.owner_name) as owner_name,
    activities.activity_at as happened_at,
    activities.direction,
    activities.duration_seconds,
    activities.is_contact,
    activities.is_conversation,
    clock.as_of_utc
from int_activities as activities
inner join int_channel_clock as clock
    on activities.channel_id = clock.channel_id
left join ranked
    on
        activities.channel_id = ranked.channel_id
        and activities.activity_type = ranked.activity_type
        and activities.activity_id = ranked.activity_id
        and ranked.lead_rank = 1
left join int_deals as deals
    on
        activities.channel_id = deals.channel_id
        and activities.what_id = deals.deal_id
        and coalesce(activities.about_module, 'deals') = 'deals'
left join stg_users as users
    on
        activities.channel_id = users.channel_id
        and activities.owner_id = users.user_id
