-- One row per record whose time did not fit its column, such as one of the year 10000.
select
    channel_id,
    module,
    record_id,
    string_agg(field || ' ' || coalesce(value, ''), ', ' order by field collate "C" nulls first) as impossible_times,
    max(case when field = 'Created_Time' then 1 else 0 end) = 1 as is_creation
from stg_rejected_records
where
    field in (
        'Created_Time', 'Modified_Time', 'Last_Activity_Time', 'Converted_Date_Time', 'Stage_Modified_Time',
        'Closing_Date', 'Start_Date', 'End_Date', 'Call_Start_Time', 'Start_DateTime', 'End_DateTime',
        'Check_In_Time', 'Closed_Time', 'Due_Date', 'sent_time'
    )
    and record_id <> ''
group by channel_id, module, record_id
