-- One row per live lead: its source, as Zoho declares it and as the visit shows it. Names that differ only in normal
-- text are one source.
with map_names as (
    select
        given.channel_id,
        raw_values.normal as name,
        names.shown as lead_source,
        names.normal as source_key
    from stg_channel_lead_source_map as given
    inner join int_normal_texts as raw_values
        on given.raw_value = raw_values.value
    inner join int_normal_texts as names
        on given.lead_source = names.value
),

own_names as (
    select
        channel_id,
        name,
        source_key,
        row_number() over (
            partition by channel_id, name
            order by lead_source collate "C"
        ) as name_rank
    from map_names
),

own_spellings as (
    select
        channel_id,
        source_key,
        lead_source,
        row_number() over (
            partition by channel_id, source_key
            order by lead_source collate "C"
        ) as spelling_rank
    from map_names
),

-- The names of the seed are in normal form.
common_names as (
    select
        given.raw_value as name,
        given.lead_source,
        names.normal as source_key,
        row_number() over (
            partition by names.normal
            order by given.lead_source collate "C", given.raw_value collate "C"
        ) as spelling_rank
    from seed_lead_source_map as given
    inner join int_normal_texts as names
        on given.lead_source = names.value
),

observations as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        case when declared.normal <> '-none-' then declared.shown end as declared_raw,
        case when declared.normal <> '-none-' then declared.normal end as declared_name,
        inputs.utm_source_raw,
        inputs.utm_source,
        inputs.referrer_host,
        coalesce(inputs.utm_source, inputs.referrer_host) as observed_name,
        coalesce(inputs.utm_source_shown, inputs.referrer_host) as observed_shown
    from int_live_leads as leads
    inner join int_touch_inputs as inputs
        on
            leads.channel_id = inputs.channel_id
            and leads.zoho_lead_id = inputs.zoho_lead_id
            and inputs.touch_type = 'lead_creation'
    left join int_normal_texts as declared
        on leads.lead_source = declared.value
),

named as (
    select
        observed.channel_id,
        observed.zoho_lead_id,
        observed.declared_raw,
        observed.utm_source_raw,
        observed.utm_source,
        observed.referrer_host,
        coalesce(observed.declared_raw, observed.observed_shown) as shown,
        coalesce(declared_own.source_key, declared_common.source_key, observed.declared_name) as declared_key,
        coalesce(observed_own.source_key, observed_common.source_key, observed.observed_name) as observed_key
    from observations as observed
    left join own_names as declared_own
        on
            observed.channel_id = declared_own.channel_id
            and observed.declared_name = declared_own.name
            and declared_own.name_rank = 1
    left join common_names as declared_common
        on observed.declared_name = declared_common.name
    left join own_names as observed_own
        on
            observed.channel_id = observed_own.channel_id
            and observed.observed_name = observed_own.name
            and observed_own.name_rank = 1
    left join common_names as observed_common
        on observed.observed_name = observed_common.name
),

-- A source that no map names is shown in its most frequent spelling; of equally frequent ones, it is the smallest.
frequent_spellings as (
    select
        channel_id,
        coalesce(declared_key, observed_key) as source_key,
        shown,
        row_number() over (
            partition by channel_id, coalesce(declared_key, observed_key)
            order by count(*) desc, shown collate "C"
        ) as spelling_rank
    from named
    where shown is not null
    group by channel_id, coalesce(declared_key, observed_key), shown
)

select
    named.channel_id,
    named.zoho_lead_id,
    coalesce(own_spellings.lead_source, common_names.lead_source, frequent_spellings.shown, 'Unknown') as lead_source,
    coalesce(named.declared_raw, named.utm_source_raw, named.referrer_host) as lead_source_raw,
    case
        when named.declared_raw is not null then 'picklist'
        when named.utm_source is not null then 'utm_source'
        when named.referrer_host is not null then 'referrer'
        else 'unknown'
    end as lead_source_basis,
    coalesce(named.declared_key <> named.observed_key, false) as lead_source_conflict
from named
left join own_spellings
    on
        named.channel_id = own_spellings.channel_id
        and coalesce(named.declared_key, named.observed_key) = own_spellings.source_key
        and own_spellings.spelling_rank = 1
left join common_names
    on
        coalesce(named.declared_key, named.observed_key) = common_names.source_key
        and common_names.spelling_rank = 1
left join frequent_spellings
    on
        named.channel_id = frequent_spellings.channel_id
        and coalesce(named.declared_key, named.observed_key) = frequent_spellings.source_key
        and frequent_spellings.spelling_rank = 1
