-- One row per live lead: its channel by the default channel grouping of web analytics. What was observed counts first;
-- the picklist counts only where nothing was observed.
with observed as (
    select
        sources.channel_id,
        sources.zoho_lead_id,
        sources.observed_basis,
        sources.observed_class,
        sources.declared_class,
        sources.lead_source_basis = 'picklist' as is_declared,
        medium_missing.name is null and inputs.utm_medium is not null as has_medium,
        inputs.utm_medium as medium,
        coalesce(
            inputs.utm_medium like '%cp%'
            or inputs.utm_medium in ('ppc', 'retargeting')
            or inputs.utm_medium like 'paid%',
            false
        ) as is_paid,
        sources.observed_basis = 'click_id' as is_click,
        sources.is_of_click,
        clicks.lead_channel as click_channel,
        coalesce(
            inputs.utm_source_shown,
            inputs.utm_medium_shown,
            inputs.utm_campaign_shown,
            inputs.utm_term_shown,
            inputs.utm_content_shown,
            inputs.utm_id_shown,
            inputs.landing_page,
            inputs.referrer_host
        ) is not null
        or inputs.has_first_visit as has_web_evidence
    from int_lead_sources as sources
    inner join int_touch_inputs as inputs
        on
            sources.channel_id = inputs.channel_id
            and sources.zoho_lead_id = inputs.record_id
            and inputs.touch_type = 'lead_creation'
    left join seed_missing_sources as medium_missing
        on inputs.utm_medium = medium_missing.name
    left join seed_click_ids as clicks
        on inputs.click_id_kind = clicks.click_id_kind
)

select
    channel_id,
    zoho_lead_id,
    case
        when is_click or (is_of_click and not has_medium)
            then case when is_paid and click_channel = 'Organic Social' then 'Paid Social' else click_channel end
        when is_paid and observed_class = 'search' then 'Paid Search'
        when is_paid and observed_class = 'social' then 'Paid Social'
        when is_paid and observed_class = 'video' then 'Paid Video'
        when medium in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'
        when is_paid then 'Paid Other'
        when
            observed_class = 'social'
            or medium in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media')
            then 'Organic Social'
        when observed_class = 'video' or medium like '%video%' then 'Organic Video'
        when observed_class = 'search' or medium = 'organic' then 'Organic Search'
        when medium in ('referral', 'app', 'link') then 'Referral'
        when observed_class = 'email' or medium in ('email', 'e-mail', 'e_mail', 'e mail') then 'Email'
        when medium = 'affiliate' then 'Affiliates'
        when medium = 'audio' then 'Audio'
        when observed_class = 'sms' or medium = 'sms' then 'SMS'
        when observed_basis is not null then 'Referral'
        when has_web_evidence then 'Direct'
        when declared_class = 'social' then 'Organic Social'
        when declared_class = 'video' then 'Organic Video'
        when declared_class = 'search' then 'Organic Search'
        when declared_class = 'email' then 'Email'
        when declared_class = 'sms' then 'SMS'
        when declared_class is not null then 'Referral'
        when is_declared then 'Offline'
        else 'Unknown'
    end as lead_channel
from observed
