-- One row per time zone of a channel, year of UTC and part of it with one distance from UTC. Local times are computed
-- with it, because each engine has zone rules of its own age.
select timezone as value from int_zone_texts
union
select 'UTC' as value
