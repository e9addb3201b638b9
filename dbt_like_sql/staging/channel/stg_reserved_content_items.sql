-- Content items with an id that the marts use for something else.
select
    source.channel_id,
    source.content_id
from zoho_raw.content_items as source
inner join run_channels as channels
    on source.channel_id = channels.channel_id
where source.content_id = '(none)'
