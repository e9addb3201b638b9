select
    source.channel_id,
    source.id as deal_id,
    source.deal_name,
    source.stage,
    source.pipeline,
    source.type as deal_type,
    source.lead_source,
    source.next_step,
    source.reason_for_loss,
    source.amount,
    source.expected_revenue,
    source.currency,
    source.exchange_rate,
    case
        when source.closing_date >= date '1900-01-01' and source.closing_date < date '10000-01-01' then source.closing_date
    end as closing_date,
    source.probability,
    source.account_name_id as account_id,
    source.account_name_name as account_name,
    source.contact_name_id as contact_id,
    source.contact_name_name as contact_name,
    source.campaign_source_id,
    source.campaign_source_name,
    source.lead_conversion_time,
    source.sales_cycle_duration,
    source.overall_sales_duration,
    case
        when source.stage_modified_time >= timestamptz '1900-01-01' and source.stage_modified_time < timestamptz '10000-01-01'
            then source.stage_modified_time at time zone 'UTC'
    end as stage_modified_at,
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
                    source.stage_modified_time < timestamptz '1900-01-01'
                    or source.stage_modified_time >= timestamptz '10000-01-01'
                    then 'Stage_Modified_Time'
            end,
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
            end,
            case
                when
                    source.closing_date < date '1900-01-01'
                    or source.closing_date >= date '10000-01-01'
                    then 'Closing_Date'
            end
        ),
        ''
    ) as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.deals as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Deals'
where deleted.record_id is null
