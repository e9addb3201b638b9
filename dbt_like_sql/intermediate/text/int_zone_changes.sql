-- One row per time zone of a channel and change of its clock.
select distinct timezone as value
from int_zone_texts
