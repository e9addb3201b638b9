select
    source.channel_id,
    source.id as task_id,
    source.subject,
    source.status,
    source.priority,
    case
        when source.due_date >= date '1900-01-01' and source.due_date < date '10000-01-01' then source.due_date
    end as due_date,
    case
        when source.closed_time >= timestamptz '1900-01-01' and source.closed_time < timestamptz '10000-01-01'
            then source.closed_time at time zone 'UTC'
    end as closed_at,
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
                    source.closed_time < timestamptz '1900-01-01'
                    or source.closed_time >= timestamptz '10000-01-01'
                    then 'Closed_Time'
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
            end,
            case
                when
                    source.due_date < date '1900-01-01'
                    or source.due_date >= date '10000-01-01'
                    then 'Due_Date'
            end
        ),
        ''
    ) as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.tasks as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Tasks'
where deleted.record_id is null
