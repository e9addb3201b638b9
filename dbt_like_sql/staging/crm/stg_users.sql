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
    case
        when source.created_time >= timestamptz '1900-01-01' and source.created_time < timestamptz '10000-01-01'
            then source.created_time at time zone 'UTC'
    end as created_at,
    case
        when source.modified_time >= timestamptz '1900-01-01' and source.modified_time < timestamptz '10000-01-01'
            then source.modified_time at time zone 'UTC'
    end as modified_at,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.users as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
