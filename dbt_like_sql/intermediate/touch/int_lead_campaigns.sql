-- One row per live lead that names a campaign: its own utm_campaign. Campaigns that differ only in normal text are one
-- campaign, in the spelling that most live leads of the channel have; of equally frequent ones, it is the smallest. A
-- campaign that is called (none) cannot be told from the row (none) of leads without a campaign, so it is none.
with campaigns as (
    select
        channel_id,
        record_id as zoho_lead_id,
        utm_campaign,
        utm_campaign_shown
    from int_touch_inputs
    where
        touch_type = 'lead_creation'
        and utm_campaign <> '(none)'
),

ranked as (
    select
        channel_id,
        utm_campaign,
        utm_campaign_shown,
        row_number() over (
            partition by channel_id, utm_campaign
            order by count(*) desc, utm_campaign_shown collate "C"
        ) as spelling_rank
    from campaigns
    group by channel_id, utm_campaign, utm_campaign_shown
)

select
    campaigns.channel_id,
    campaigns.zoho_lead_id,
    ranked.utm_campaign_shown as campaign
from campaigns
inner join ranked
    on
        campaigns.channel_id = ranked.channel_id
        and campaigns.utm_campaign = ranked.utm_campaign
        and ranked.spelling_rank = 1
