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
        channel_id,
        zoho_lead_id,
        lower(trim(record_status)) as reason
    from stg_leads
    where lower(trim(record_status)) in ('trash', 'draft')
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
