-- One row per connected channel: what it is, and how fresh its numbers are.
select
    channels.channel_id,
    channels.tenant,
    channels.org_name,
    channels.data_center,
    clock.timezone,
    clock.currency,
    channels.status,
    channels.connected_at,
    clock.last_complete_sync_at,
    cast(clock.data_status as varchar) as data_status,
    clock.as_of_utc
from stg_channels as channels
inner join int_channel_clock as clock
    on channels.channel_id = clock.channel_id
