select
    source.channel_id,
    source.id as user_id,
    source.full_name,
    source.first_name,
    source.last_name,
    source.email,
    source.status,
    source.time_zone,
    source.locale,
    source.role_id,
    source.role_name,
    source.profile_id,
    source.profile_name,
    source.is_deleted,
    source.created_time at time zone 'UTC' as created_at,
    source.modified_time at time zone 'UTC' as modified_at,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.users as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
