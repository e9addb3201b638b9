-- One row per touch, match rule and key: the keys by which each rule looks for content, and the order of the rules.
with keys as (
    select
        channel_id,
        touch_no,
        touch_at,
        1 as rule_order,
        'activity_id' as kind,
        utm_content as match_key
    from int_touch_inputs
    union all
    select
        channel_id,
        touch_no,
        touch_at,
        1 as rule_order,
        'activity_id' as kind,
        utm_id as match_key
    from int_touch_inputs
    union all
    select
        channel_id,
        touch_no,
        touch_at,
        1 as rule_order,
        'activity_id' as kind,
        activity_id as match_key
    from int_touch_inputs
    union all
    select
        channel_id,
        touch_no,
        touch_at,
        2 as rule_order,
        'utm_content' as kind,
        utm_content as match_key
    from int_touch_inputs
    union all
    select
        channel_id,
        touch_no,
        touch_at,
        3 as rule_order,
        'url' as kind,
        landing_page as match_key
    from int_touch_inputs
    union all
    select
        channel_id,
        touch_no,
        touch_at,
        4 as rule_order,
        'utm_triple' as kind,
        utm_source || chr(31) || utm_medium || chr(31) || utm_campaign as match_key
    from int_touch_inputs
    union all
    select
        channel_id,
        touch_no,
        touch_at,
        5 as rule_order,
        'url' as kind,
        referrer_page as match_key
    from int_touch_inputs
    union all
    select
        channel_id,
        touch_no,
        touch_at,
        6 as rule_order,
        'utm_campaign' as kind,
        utm_campaign as match_key
    from int_touch_inputs
)

select
    channel_id,
    touch_no,
    touch_at,
    rule_order,
    kind,
    match_key
from keys
where match_key is not null
