-- Every raw lead, deleted or not: the count that live and deleted leads must add up to.
select
    source.channel_id,
    source.id as zoho_lead_id,
    source.created_time at time zone 'UTC' as created_at
from zoho_raw.leads as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
