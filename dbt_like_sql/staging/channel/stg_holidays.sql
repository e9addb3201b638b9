select
    source.channel_id,
    source.id as holiday_id,
    source.name as holiday_name,
    case
        when source.date >= date '1900-01-01' and source.date < date '10000-01-01' then source.date
    end as holiday_date,
    source.year as holiday_year,
    source.type as holiday_type,
    source.synced_at at time zone 'UTC' as synced_at
from zoho_raw.holidays as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
