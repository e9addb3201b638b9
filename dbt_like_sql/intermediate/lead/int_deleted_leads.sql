-- One row per raw lead up to as_of that is not live: deleted in Zoho, in the bin, or a draft.
with not_live as (
    select
        channel_id,
        record_id as zoho_lead_id,
        'deleted' as reason
    from stg_deleted_records
    where module = 'Leads'
    union all
    select
        leads.channel_id,
        leads.zoho_lead_id,
        statuses.normal as reason
    from stg_leads as leads
    inner join int_normal_texts as statuses
        on leads.record_status = statuses.value
    where statuses.normal in ('trash', 'draft')
)

select
    ids.channel_id,
    ids.zoho_lead_id,
    not_live.reason
from int_channel_clock as clock
inner join stg_lead_ids as ids
    on clock.channel_id = ids.channel_id
inner join not_live
    on
        ids.channel_id = not_live.channel_id
        and ids.zoho_lead_id = not_live.zoho_lead_id
where
    clock.has_data
    and coalesce(ids.created_at <= clock.as_of_utc, true)
