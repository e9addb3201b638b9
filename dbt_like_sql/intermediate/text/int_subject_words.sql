-- One row per distinct subject of a task.
select distinct subject as value
from stg_tasks
where subject is not null
