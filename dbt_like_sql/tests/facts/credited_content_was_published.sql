-- A credited content item belongs to the same channel and was published at most 24 hours after the touch.
select
    credits.channel_id,
    credits.zoho_lead_id,
    credits.touch_seq,
    credits.model
from lead_touch_credit as credits
inner join int_parameters as parameters
    on credits.channel_id = parameters.channel_id
left join stg_content_items as content
    on
        credits.channel_id = content.channel_id
        and credits.content_id = content.content_id
where
    credits.content_id is not null
    and (
        content.content_id is null
        or content.published_at > credits.touch_at + parameters.content_grace_hours * interval '1 hour'
    )
