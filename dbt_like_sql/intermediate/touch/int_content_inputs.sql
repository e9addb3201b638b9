-- One row per content item: the values by which touches name it, in normal form.
select
    items.channel_id,
    items.content_id,
    items.published_at,
    activities.normal as activity_id,
    contents.normal as content_key,
    sources.normal as utm_source,
    mediums.normal as utm_medium,
    campaigns.normal as utm_campaign,
    utm_contents.normal as utm_content,
    pages.page,
    pages.site
from stg_content_items as items
left join int_parameter_texts as activities
    on items.source_activity_id = activities.value
left join int_parameter_texts as contents
    on items.content_id = contents.value
left join int_parameter_texts as sources
    on items.utm_source = sources.value
left join int_parameter_texts as mediums
    on items.utm_medium = mediums.value
left join int_parameter_texts as campaigns
    on items.utm_campaign = campaigns.value
left join int_parameter_texts as utm_contents
    on items.utm_content = utm_contents.value
left join int_url_texts as pages
    on items.canonical_url = pages.value
