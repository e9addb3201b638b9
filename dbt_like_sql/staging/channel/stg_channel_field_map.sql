select
    source.channel_id,
    source.field_key,
    source.api_name,
    source.basis,
    cast(clicks.position as integer) as click_id_position,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.channel_field_map as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join seed_click_ids as clicks
    on source.field_key = clicks.click_id_kind
