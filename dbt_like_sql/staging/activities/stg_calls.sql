select
    source.channel_id,
    source.id as call_id,
    source.subject,
    source.call_type,
    case
        when source.call_start_time >= timestamptz '1900-01-01' and source.call_start_time < timestamptz '10000-01-01'
            then source.call_start_time at time zone 'UTC'
    end as started_at,
    source.call_duration,
    source.call_duration_in_seconds,
    source.call_purpose,
    source.call_result,
    source.call_status,
    source.outgoing_call_status,
    source.outbound_call_status,
    source.scheduled_in_crm as is_scheduled_in_crm,
    source.cti_entry as is_cti_entry,
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
                    source.call_start_time < timestamptz '1900-01-01'
                    or source.call_start_time >= timestamptz '10000-01-01'
                    then 'Call_Start_Time'
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
from zoho_raw.calls as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Calls'
where deleted.record_id is null
