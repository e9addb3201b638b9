-- One row per distinct time zone of a channel.
select distinct timezone as value
from stg_channels
where timezone is not null
