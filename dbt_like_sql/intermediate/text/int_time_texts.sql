-- One row per distinct text of a first visit's time.
select distinct first_visited_time as value
from int_lead_fields
where first_visited_time is not null
