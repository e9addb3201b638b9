-- The numbers 0 to 9999, written without a generator function, because each engine has another one. 9999 weeks are
-- 191 years, and no time before the year 1900 counts.
with digits as (
    select 0 as digit
    union all select 1
    union all select 2
    union all select 3
    union all select 4
    union all select 5
    union all select 6
    union all select 7
    union all select 8
    union all select 9
)

select ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit as n
from digits as ones
cross join digits as tens
cross join digits as hundreds
cross join digits as thousands
