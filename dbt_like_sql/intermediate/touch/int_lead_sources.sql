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

-- The common map has one spelling per source.
common_spellings as (
    select
        lead_source,
        source_key,
        row_number() over (
            partition by source_key
            order by lead_source collate "C"
        ) as spelling_rank
    from int_source_names
    where lead_source is not null and not is_host
),

own_sites as (
    select distinct
        channel_id,
        site
    from int_content_inputs
    where site is not null
),

-- A host of the company itself is no referrer. A host that the classes contain is never the company's: posts on
-- linkedin.com are in many catalogues.
referrers as (
    select
        inputs.channel_id,
        inputs.record_id as zoho_lead_id,
        inputs.utm_source_raw,
        inputs.utm_source_shown,
        inputs.utm_source,
        inputs.click_id_kind,
        case
            when
                names.source_class is not null
                or (own_sites.site is null and coalesce(inputs.referrer_site <> inputs.landing_site, true))
                then inputs.referrer_host
        end as referrer_host
    from int_touch_inputs as inputs
    left join own_sites
        on
            inputs.channel_id = own_sites.channel_id
            and inputs.referrer_site = own_sites.site
    left join int_source_names as names
        on
            inputs.referrer_host = names.name
            and names.is_host
    where inputs.touch_type = 'lead_creation'
),

observations as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        case when declared_missing.name is null then declared.shown end as declared_raw,
        case when declared_missing.name is null then declared.normal end as declared_name,
        case
            when utm_missing.name is null and referrers.utm_source is not null then 'utm_source'
            when clicks.click_id_kind is not null then 'click_id'
            when referrers.referrer_host is not null then 'referrer'
        end as observed_basis,
        referrers.utm_source_raw,
        referrers.utm_source_shown,
        referrers.utm_source,
        clicks.click_id_kind,
        clicks.lead_source as click_source,
        click_names.normal as click_name,
        referrers.referrer_host
    from int_live_leads as leads
    inner join referrers
        on
            leads.channel_id = referrers.channel_id
            and leads.zoho_lead_id = referrers.zoho_lead_id
    left join int_normal_texts as declared
        on leads.lead_source = declared.value
    left join seed_missing_sources as declared_missing
        on declared.normal = declared_missing.name
    left join seed_missing_sources as utm_missing
        on referrers.utm_source = utm_missing.name
    left join seed_click_ids as clicks
        on referrers.click_id_kind = clicks.click_id_kind
    left join int_normal_texts as click_names
        on clicks.lead_source = click_names.value
),

observed_names as (
    select
        channel_id,
        zoho_lead_id,
        declared_raw,
        declared_name,
        observed_basis,
        click_name,
        case observed_basis
            when 'utm_source' then utm_source
            when 'click_id' then click_name
            when 'referrer' then referrer_host
        end as observed_name,
        case observed_basis
            when 'utm_source' then utm_source_shown
            when 'click_id' then click_source
            when 'referrer' then referrer_host
        end as observed_shown,
        case observed_basis
            when 'utm_source' then utm_source_raw
            when 'click_id' then click_id_kind
            when 'referrer' then referrer_host
        end as observed_raw
    from observations
),

named as (
    select
        observed.channel_id,
        observed.zoho_lead_id,
        observed.declared_raw,
        observed.observed_basis,
        observed.observed_raw,
        coalesce(observed.declared_raw, observed.observed_shown) as shown,
        coalesce(declared_own.source_key, declared_common.source_key, observed.declared_name) as declared_key,
        coalesce(observed_own.source_key, observed_common.source_key, observed.observed_name) as observed_key,
        declared_common.source_class as declared_class,
        observed_common.source_class as observed_class,
        -- A click id of the source that utm_source names says more than the source alone.
        coalesce(coalesce(observed_common.source_key, observed.observed_name) = observed.click_name, false)
            as is_of_click
    from observed_names as observed
    left join own_names as declared_own
        on
            observed.channel_id = declared_own.channel_id
            and observed.declared_name = declared_own.name
            and declared_own.name_rank = 1
    left join int_source_names as declared_common
        on
            observed.declared_name = declared_common.name
            and not declared_common.is_host
    left join own_names as observed_own
        on
            observed.channel_id = observed_own.channel_id
            and observed.observed_name = observed_own.name
            and observed_own.name_rank = 1
    left join int_source_names as observed_common
        on
            observed.observed_name = observed_common.name
            and (observed.observed_basis = 'referrer') = observed_common.is_host
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
    -- A map may say that a value is unknown.
    case
        when missing.name is not null then 'Unknown'
        else coalesce(own_spellings.lead_source, common_spellings.lead_source, frequent_spellings.shown, 'Unknown')
    end as lead_source,
    coalesce(named.declared_raw, named.observed_raw) as lead_source_raw,
    case when named.declared_raw is not null then 'picklist' else coalesce(named.observed_basis, 'unknown') end
        as lead_source_basis,
    coalesce(named.declared_key <> named.observed_key, false) as lead_source_conflict,
    named.observed_basis,
    named.observed_class,
    named.is_of_click,
    named.declared_class
from named
left join seed_missing_sources as missing
    on coalesce(named.declared_key, named.observed_key) = missing.name
left join own_spellings
    on
        named.channel_id = own_spellings.channel_id
        and coalesce(named.declared_key, named.observed_key) = own_spellings.source_key
        and own_spellings.spelling_rank = 1
left join common_spellings
    on
        coalesce(named.declared_key, named.observed_key) = common_spellings.source_key
        and common_spellings.spelling_rank = 1
left join frequent_spellings
    on
        named.channel_id = frequent_spellings.channel_id
        and coalesce(named.declared_key, named.observed_key) = frequent_spellings.source_key
        and frequent_spellings.spelling_rank = 1
