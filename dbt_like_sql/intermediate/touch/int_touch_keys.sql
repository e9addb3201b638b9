-- One row per touch, match rule and key by which the rule looks for content.
with plain_keys as (
    select
        channel_id,
        side as touch_type,
        side_id as zoho_lead_id,
        touch_at,
        'activity_id' as match_rule,
        1 as rule_order,
        'activity_id' as kind,
        value as match_key
    from int_normal_values
    where side <> 'content' and name in ('utm_content', 'utm_id', 'activity_id')
    union all
    select
        channel_id,
        side as touch_type,
        side_id as zoho_lead_id,
        touch_at,
        'utm_content' as match_rule,
        2 as rule_order,
        'utm_content' as kind,
        value as match_key
    from int_normal_values
    where side <> 'content' and name = 'utm_content'
    union all
    select
        channel_id,
        side as touch_type,
        side_id as zoho_lead_id,
        touch_at,
        name as match_rule,
        case name when 'landing_url' then 3 else 5 end as rule_order,
        'url' as kind,
        url as match_key
    from int_normal_urls
    where side <> 'content'
    union all
    select
        channel_id,
        side as touch_type,
        side_id as zoho_lead_id,
        touch_at,
        'utm_campaign' as match_rule,
        6 as rule_order,
        'utm_campaign' as kind,
        value as match_key
    from int_normal_values
    where side <> 'content' and name = 'utm_campaign'
),

triples as (
    select
        channel_id,
        side as touch_type,
        side_id as zoho_lead_id,
        touch_at,
        'utm_triple' as match_rule,
        4 as rule_order,
        'utm_triple' as kind,
        max(case when name = 'utm_source' then value end)
        || chr(31) || max(case when name = 'utm_medium' then value end)
        || chr(31) || max(case when name = 'utm_campaign' then value end) as match_key
    from int_normal_values
    where side <> 'content'
    group by channel_id, side, side_id, touch_at
)

select * from plain_keys
union all
select * from triples
where match_key is not null
