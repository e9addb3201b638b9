-- Raw leads are the live and the deleted leads together, and every live lead has its row in each table of facts.
with counted as (
    select
        ids.channel_id,
        'raw' as part,
        count(*) as n_leads
    from stg_lead_ids as ids
    inner join int_channel_clock as clock
        on ids.channel_id = clock.channel_id
    where
        clock.has_data
        and coalesce(ids.created_at <= clock.as_of_utc, true)
    group by ids.channel_id
    union all
    select channel_id, 'deleted' as part, count(*) as n_leads from int_deleted_leads group by channel_id
    union all
    select channel_id, 'live' as part, count(*) as n_leads from int_live_leads group by channel_id
    union all
    select channel_id, 'lead' as part, count(*) as n_leads from lead group by channel_id
    union all
    select channel_id, 'attribution' as part, count(*) as n_leads from lead_source_attribution group by channel_id
    union all
    select channel_id, 'first_contact' as part, count(*) as n_leads from lead_first_contact group by channel_id
)

select channel_id
from counted
group by channel_id
having
    sum(case part when 'raw' then n_leads when 'deleted' then -n_leads when 'live' then -n_leads else 0 end) <> 0
    or sum(case part when 'live' then n_leads when 'lead' then -n_leads else 0 end) <> 0
    or sum(case part when 'live' then n_leads when 'attribution' then -n_leads else 0 end) <> 0
    or sum(case part when 'live' then n_leads when 'first_contact' then -n_leads else 0 end) <> 0
