select
    source.channel_id,
    source.id as contact_id,
    source.first_name,
    source.last_name,
    source.full_name,
    source.email,
    source.secondary_email,
    source.phone,
    source.mobile,
    source.title,
    source.department,
    source.lead_source,
    source.account_name_id as account_id,
    source.account_name_name as account_name,
    source.mailing_city,
    source.mailing_state,
    source.mailing_country,
    case
        when source.last_activity_time >= timestamptz '1900-01-01' and source.last_activity_time < timestamptz '10000-01-01'
            then source.last_activity_time at time zone 'UTC'
    end as last_activity_at,
    source.record_status,
    source.tag,
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
                    source.last_activity_time < timestamptz '1900-01-01'
                    or source.last_activity_time >= timestamptz '10000-01-01'
                    then 'Last_Activity_Time'
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
from zoho_raw.contacts as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Contacts'
where deleted.record_id is null
