-- One row per live deal up to as_of, with the lead that it belongs to. Zoho repeats a stage in successive rows of its
-- history, so a stage was entered where the stage differs from the one before it.
with entries as (
    select
        history.channel_id,
        history.deal_id,
        history.entered_at,
        coalesce(
            history.stage = lag(history.stage) over (
                partition by history.channel_id, history.deal_id
                order by history.entered_at nulls first, length(history.history_id), history.history_id collate "C"
            ),
            false
        ) as is_repeated
    from stg_deal_stage_history as history
    inner join int_channel_clock as clock
        on history.channel_id = clock.channel_id
    where history.entered_at <= clock.as_of_utc
),

last_changes as (
    select
        channel_id,
        deal_id,
        max(entered_at) as changed_at
    from entries
    where not is_repeated
    group by channel_id, deal_id
)

select
    deals.channel_id,
    deals.deal_id as zoho_deal_id,
    deals.deal_name as name,
    source.pipeline,
    deals.stage,
    cast(deals.deal_state as varchar) as deal_state,
    -- An amount that the column cannot hold is null, so that it does not stop the channel.
    case
        when abs(source.amount) < 9999999999999999.99995 then cast(source.amount as decimal(20, 4))
    end as amount,
    coalesce(currencies.shown, deals.currency) as currency,
    deals.home_amount as amount_home,
    source.probability,
    deals.created_at,
    source.closing_date,
    deals.won_at,
    cast(deals.won_at_precision as varchar) as won_at_precision,
    source.owner_id,
    coalesce(users.full_name, source.owner_name) as owner_name,
    source.account_name,
    links.zoho_lead_id,
    cast(links.link_basis as varchar) as link_rule,
    attribution.content_id,
    attribution.lead_source,
    attribution.lead_channel,
    -- as_of may have fractions of a second, and Zoho's times have none.
    cast(
        date_diff(
            'second', coalesce(last_changes.changed_at, deals.created_at), date_trunc('second', clock.as_of_utc)
        ) // 86400 as bigint
    ) as days_in_stage,
    clock.as_of_utc
from int_deals as deals
inner join int_channel_clock as clock
    on deals.channel_id = clock.channel_id
inner join stg_deals as source
    on
        deals.channel_id = source.channel_id
        and deals.deal_id = source.deal_id
left join int_normal_texts as currencies
    on source.currency = currencies.value
left join stg_users as users
    on
        source.channel_id = users.channel_id
        and source.owner_id = users.user_id
left join last_changes
    on
        deals.channel_id = last_changes.channel_id
        and deals.deal_id = last_changes.deal_id
left join int_lead_deals as links
    on
        deals.channel_id = links.channel_id
        and deals.deal_id = links.deal_id
left join lead_source_attribution as attribution
    on
        links.channel_id = attribution.channel_id
        and links.zoho_lead_id = attribution.zoho_lead_id
