select
    source.channel_id,
    source.pipeline,
    source.stage,
    source.display_value,
    source.forecast_type,
    source.forecast_category,
    source.probability,
    source.sequence_number,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.deal_stages as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
