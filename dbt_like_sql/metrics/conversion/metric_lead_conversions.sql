-- One row per lead of the last 180 days and stage: whether the lead reached the stage, and after how many seconds.
-- is_reached means reached by as_of. is_reached_ever is today's state, whatever as_of was asked for. If the time is
-- unknown (a won deal without history and closing date, a conversion without its time and without a deal), the stage
-- counts as reached, but not in a definition that needs the time. If Deals cannot be read, no deal and no win is seen
-- here, and the rates are null.
with first_wins as (
    select
        deals.channel_id,
        deals.zoho_lead_id,
        -- If the sync behind as_of saw that a deal was won, it was won by then, whatever its closing date.
        min(
            case
                when deals.won_at > clock.as_of_utc and clock.as_of_utc = clock.last_complete_sync_at
                    then clock.as_of_utc
                else deals.won_at
            end
        ) as won_at
    from int_lead_deals as deals
    inner join int_channel_clock as clock
        on deals.channel_id = clock.channel_id
    where deals.deal_state = 'won'
    group by deals.channel_id, deals.zoho_lead_id
),

facts as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        leads.lead_no,
        leads.created_at,
        leads.as_of_utc,
        leads.age_seconds,
        leads.is_recent,
        leads.is_immature,
        leads.is_matured,
        leads.is_matured_wide,
        leads.is_matured_90d,
        attribution.is_converted,
        attribution.converted_at,
        attribution.has_deal,
        attribution.deal_linked_at,
        attribution.is_won,
        first_wins.won_at
    from metric_lead_window as leads
    inner join lead_source_attribution as attribution
        on
            leads.channel_id = attribution.channel_id
            and leads.zoho_lead_id = attribution.zoho_lead_id
    left join first_wins
        on
            leads.channel_id = first_wins.channel_id
            and leads.zoho_lead_id = first_wins.zoho_lead_id
),

stages as (
    select 'any_conversion' as stage
    union all select 'deal'
    union all select 'won'
),

reached as (
    select
        facts.channel_id,
        facts.zoho_lead_id,
        facts.lead_no,
        facts.created_at,
        facts.as_of_utc,
        facts.age_seconds,
        facts.is_recent,
        facts.is_immature,
        facts.is_matured,
        facts.is_matured_wide,
        facts.is_matured_90d,
        stages.stage,
        case stages.stage
            when 'any_conversion' then facts.is_converted
            when 'deal' then facts.has_deal
            when 'won' then facts.is_won
        end as is_reached,
        case stages.stage
            -- A conversion without its time was not later than its deal, or the rate of deals would be the larger one.
            when 'any_conversion' then coalesce(facts.converted_at, facts.deal_linked_at)
            when 'deal' then facts.deal_linked_at
            when 'won' then facts.won_at
        end as reached_at
    from facts
    cross join stages
),

judged as (
    select
        channel_id,
        zoho_lead_id,
        lead_no,
        stage,
        age_seconds,
        is_recent,
        is_immature,
        is_matured,
        is_matured_wide,
        is_matured_90d,
        coalesce(is_reached, false) as is_reached_ever,
        coalesce(is_reached, false) and (reached_at is null or reached_at <= as_of_utc) as is_reached,
        coalesce(is_reached, false)
            and reached_at is not null
            and reached_at <= as_of_utc
            and reached_at <= created_at + interval '30 days' as is_reached_30d,
        coalesce(is_reached, false)
            and reached_at is not null
            and reached_at <= as_of_utc
            and reached_at <= created_at + interval '90 days' as is_reached_90d,
        cast(date_diff('second', created_at, reached_at) as bigint) as seconds_to_reach
    from reached
)

select
    channel_id,
    zoho_lead_id,
    lead_no,
    stage,
    is_recent,
    is_immature,
    is_matured,
    is_matured_wide,
    is_matured_90d,
    is_reached_ever,
    is_reached,
    is_reached_30d,
    is_reached_90d,
    case
        when is_reached_30d and seconds_to_reach < 0 then 0
        when is_reached_30d then seconds_to_reach
        when age_seconds < 2592000 then age_seconds
        else 2592000
    end as observed_seconds
from judged
