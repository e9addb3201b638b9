select
    source.channel_id,
    source.id as event_id,
    source.event_title,
    case
        when source.start_datetime >= timestamptz '1900-01-01' and source.start_datetime < timestamptz '10000-01-01'
            then source.start_datetime at time zone 'UTC'
    end as started_at,
    case
        when source.end_datetime >= timestamptz '1900-01-01' and source.end_datetime < timestamptz '10000-01-01'
            then source.end_datetime at time zone 'UTC'
    end as ended_at,
    source.all_day as is_all_day,
    source.venue,
    source.check_in_status,
    case
        when source.check_in_time >= timestamptz '1900-01-01' and source.check_in_time < timestamptz '10000-01-01'
            then source.check_in_time at time zone 'UTC'
    end as checked_in_at,
    source.event_cancelled as is_cancelled,
    source.participants,
    source.who_id,
    source.who_name,
    source.what_id,
    source.what_name,
    source.se_module,
    source.owner_id,
    source.owner_name,
    source.created_by_id,
    source.created_by_name,
    source.modified_by_id,
    source.modified_by_name,
    case
        when source.created_time >= timestamptz '1900-01-01' and source.created_time < timestamptz '10000-01-01'
            then source.created_time at time zone 'UTC'
    end as created_at,
    case
        when source.modified_time >= timestamptz '1900-01-01' and source.modified_time < timestamptz '10000-01-01'
            then source.modified_time at time zone 'UTC'
    end as modified_at,
    cast(nullif(source.custom_fields, '') as json) as custom_fields,
    nullif(
        concat_ws(
            ', ',
            case
                when
                    source.start_datetime < timestamptz '1900-01-01'
                    or source.start_datetime >= timestamptz '10000-01-01'
                    then 'Start_DateTime'
            end,
            case
                when
                    source.end_datetime < timestamptz '1900-01-01'
                    or source.end_datetime >= timestamptz '10000-01-01'
                    then 'End_DateTime'
            end,
            case
                when
                    source.check_in_time < timestamptz '1900-01-01'
                    or source.check_in_time >= timestamptz '10000-01-01'
                    then 'Check_In_Time'
            end,
            case
                when
                    source.created_time < timestamptz '1900-01-01'
                    or source.created_time >= timestamptz '10000-01-01'
                    then 'Created_Time'
            end,
            case
                when
                    source.modified_time < timestamptz '1900-01-01'
                    or source.modified_time >= timestamptz '10000-01-01'
                    then 'Modified_Time'
            end
        ),
        ''
    ) as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.events as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Events'
where deleted.record_id is null
