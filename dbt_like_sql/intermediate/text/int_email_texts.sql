-- One row per distinct e-mail address of a live lead.
select distinct email as value
from int_live_leads
where email is not null
