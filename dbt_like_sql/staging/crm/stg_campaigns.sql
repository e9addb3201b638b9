select
    source.channel_id,
    source.id as campaign_id,
    source.campaign_name,
    source.type as campaign_type,
    source.status as campaign_status,
    case
        when source.start_date >= date '1900-01-01' and source.start_date < date '10000-01-01' then source.start_date
    end as start_date,
    case
        when source.end_date >= date '1900-01-01' and source.end_date < date '10000-01-01' then source.end_date
    end as end_date,
    source.expected_revenue,
    source.budgeted_cost,
    source.actual_cost,
    source.num_sent,
    source.parent_campaign_id,
    source.parent_campaign_name,
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
                    source.start_date < date '1900-01-01'
                    or source.start_date >= date '10000-01-01'
                    then 'Start_Date'
            end,
            case
                when
                    source.end_date < date '1900-01-01'
                    or source.end_date >= date '10000-01-01'
                    then 'End_Date'
            end
        ),
        ''
    ) as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.campaigns as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Campaigns'
where deleted.record_id is null
