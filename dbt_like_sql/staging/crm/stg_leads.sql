select
    source.channel_id,
    source.id as zoho_lead_id,
    source.first_name,
    source.last_name,
    source.full_name,
    source.email,
    source.secondary_email,
    source.phone,
    source.mobile,
    source.company,
    source.designation,
    source.website,
    source.lead_source,
    source.lead_status,
    source.industry,
    source.rating,
    source.no_of_employees,
    source.annual_revenue,
    source.city,
    source.state,
    source.country,
    source.converted as is_converted,
    case
        when source.converted_date_time >= timestamptz '1900-01-01' and source.converted_date_time < timestamptz '10000-01-01'
            then source.converted_date_time at time zone 'UTC'
    end as converted_at,
    source.converted_account_id,
    source.converted_account_name,
    source.converted_contact_id,
    source.converted_contact_name,
    source.converted_deal_id,
    source.converted_deal_name,
    source.lead_conversion_time,
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
                    source.converted_date_time < timestamptz '1900-01-01'
                    or source.converted_date_time >= timestamptz '10000-01-01'
                    then 'Converted_Date_Time'
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
            end
        ),
        ''
    ) as impossible_times,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.leads as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
left join stg_deleted_records as deleted
    on
        source.channel_id = deleted.channel_id
        and source.id = deleted.record_id
        and deleted.module = 'Leads'
where deleted.record_id is null
