-- One row per distinct list of topics and topic of it.
select distinct topics as value
from stg_content_items
where topics is not null
