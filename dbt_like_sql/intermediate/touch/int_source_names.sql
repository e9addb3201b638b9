-- One row per name of a source that the common map or the classes contain, and one per host of a URL. A host that they
-- do not contain is found by its registrable domain, or else by its family (google.*).
with map_names as (
    select
        given.raw_value as name,
        given.lead_source,
        texts.normal as source_key
    from seed_lead_source_map as given
    inner join int_normal_texts as texts
        on given.lead_source = texts.value
),

hosts as (
    select distinct
        host,
        site,
        family
    from int_url_texts
    where host is not null
),

named as (
    select
        name,
        false as is_host,
        cast(null as varchar) as site,
        lead_source,
        source_key
    from map_names
    union all
    select
        classes.source as name,
        false as is_host,
        null as site,
        null as lead_source,
        classes.source as source_key
    from seed_source_classes as classes
    left join map_names
        on classes.source = map_names.name
    where map_names.name is null
    union all
    select
        hosts.host as name,
        true as is_host,
        hosts.site,
        coalesce(by_host.lead_source, by_site.lead_source, by_family.lead_source) as lead_source,
        coalesce(by_host.source_key, by_site.source_key, by_family.source_key, hosts.host) as source_key
    from hosts
    left join map_names as by_host
        on hosts.host = by_host.name
    left join map_names as by_site
        on hosts.site = by_site.name
    left join map_names as by_family
        on hosts.family || '.*' = by_family.name
)

select
    named.name,
    named.is_host,
    named.lead_source,
    named.source_key,
    coalesce(of_name.source_class, of_site.source_class, of_source.source_class) as source_class
from named
left join seed_source_classes as of_name
    on named.name = of_name.source
left join seed_source_classes as of_site
    on named.site = of_site.source
left join seed_source_classes as of_source
    on named.source_key = of_source.source
