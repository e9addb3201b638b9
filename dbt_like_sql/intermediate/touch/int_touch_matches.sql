-- One row per touch: the content item of the first rule that finds exactly one eligible item, or none.
with candidates as (
    select
        touch_keys.channel_id,
        touch_keys.record_id,
        touch_keys.touch_type,
        touch_keys.match_rule,
        touch_keys.rule_order,
        content_keys.content_id,
        content_keys.key_rank
    from int_touch_keys as touch_keys
    inner join int_content_keys as content_keys
        on
            touch_keys.channel_id = content_keys.channel_id
            and touch_keys.kind = content_keys.kind
            and touch_keys.match_key = content_keys.match_key
            and touch_keys.touch_at >= content_keys.eligible_from
            and coalesce(touch_keys.touch_at < content_keys.eligible_until, true)
),

by_rule as (
    select
        channel_id,
        record_id,
        touch_type,
        match_rule,
        rule_order,
        min(content_id) as content_id,
        min(content_id) = max(content_id) and max(key_rank) = 1 as is_single
    from candidates
    group by channel_id, record_id, touch_type, match_rule, rule_order
),

ranked as (
    select
        channel_id,
        record_id,
        touch_type,
        content_id,
        case when is_single then match_rule else 'utm_triple_ambiguous' end as match_rule,
        row_number() over (
            partition by channel_id, record_id, touch_type
            order by case when is_single then rule_order else 7 end
        ) as rule_rank
    from by_rule
    where is_single or match_rule = 'utm_triple'
),

matched as (
    select
        touches.channel_id,
        touches.record_id,
        touches.touch_type,
        touches.touch_at,
        coalesce(ranked.match_rule, 'none') as match_rule,
        ranked.content_id,
        touches.touch_input_basis,
        touches.matched_by,
        coalesce(touches.utm_campaign <> content.utm_campaign, false) as is_campaign_clash
    from int_touch_inputs as touches
    left join ranked
        on
            touches.channel_id = ranked.channel_id
            and touches.record_id = ranked.record_id
            and touches.touch_type = ranked.touch_type
            and ranked.rule_rank = 1
    left join int_content_inputs as content
        on
            ranked.channel_id = content.channel_id
            and ranked.content_id = content.content_id
)

select
    channel_id,
    record_id,
    touch_type,
    touch_at,
    match_rule,
    content_id,
    cast(
        case match_rule
            when 'activity_id' then 1
            when 'utm_content' then case when is_campaign_clash then 0.85 else 0.95 end
            when 'landing_url' then 0.8
            when 'utm_triple' then 0.7
            when 'referrer_url' then 0.6
            when 'utm_campaign' then 0.55
            when 'utm_triple_ambiguous' then 0.4
            else 0
        end
        * case
            when touch_input_basis = 'zoho' then 1
            when matched_by = 'email' then 0.95
            when matched_by = 'phone' then 0.85
            else 1
        end as decimal(3, 2)
    ) as match_confidence,
    match_rule = 'utm_triple_ambiguous' as is_ambiguous
from matched
