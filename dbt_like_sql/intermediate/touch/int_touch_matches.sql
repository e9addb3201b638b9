-- One row per touch: the content item of the first rule that finds exactly one eligible item, or none.
with candidates as (
    select
        touch_keys.touch_no,
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

-- At a time, at most one item is eligible per key. Only the first rule has several keys per touch, so that only its
-- candidates need grouping, which cost a third of this model.
by_rule as (
    select
        touch_no,
        rule_order,
        min(content_id) as content_id,
        min(content_id) = max(content_id) and max(key_rank) = 1 as is_single
    from candidates
    where rule_order = 1
    group by touch_no, rule_order
    union all
    select
        touch_no,
        rule_order,
        content_id,
        key_rank = 1 as is_single
    from candidates
    where rule_order > 1
),

-- Of several items with the same source, medium and campaign, the latest one is taken if no other rule finds one.
placed as (
    select
        touch_no,
        content_id,
        case when is_single then rule_order else 7 end as place
    from by_rule
    where is_single or rule_order = 4
),

ranked as (
    select
        touch_no,
        content_id,
        place,
        row_number() over (partition by touch_no order by place) as place_rank
    from placed
),

matched as (
    select
        touches.channel_id,
        touches.record_id,
        touches.touch_type,
        touches.touch_at,
        case ranked.place
            when 1 then 'activity_id'
            when 2 then 'utm_content'
            when 3 then 'landing_url'
            when 4 then 'utm_triple'
            when 5 then 'referrer_url'
            when 6 then 'utm_campaign'
            when 7 then 'utm_triple_ambiguous'
            else 'none'
        end as match_rule,
        ranked.content_id,
        touches.touch_input_basis,
        touches.matched_by,
        coalesce(touches.utm_campaign <> content.utm_campaign, false) as is_campaign_clash
    from int_touch_inputs as touches
    left join ranked
        on
            touches.touch_no = ranked.touch_no
            and ranked.place_rank = 1
    left join int_content_inputs as content
        on
            touches.channel_id = content.channel_id
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
