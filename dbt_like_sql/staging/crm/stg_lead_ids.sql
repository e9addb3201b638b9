-- One row per raw lead, deleted or not. The live and the deleted leads together must be as many.
select
    source.channel_id,
    source.id as zoho_lead_id,
    case
        when source.created_time >= timestamptz '1900-01-01' and source.created_time < timestamptz '10000-01-01'
            then source.created_time at time zone 'UTC'
    end as created_at
from zoho_raw.leads as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
