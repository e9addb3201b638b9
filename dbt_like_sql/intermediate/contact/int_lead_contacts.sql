-- One row per live lead: its first contact, and until when it was observed.
with ranked as (
    select
        channel_id,
        zoho_lead_id,
        activity_type,
        activity_id,
        activity_at,
        row_number() over (
            partition by channel_id, zoho_lead_id
            order by activity_at, length(activity_id), activity_id collate "C"
        ) as activity_rank
    from int_lead_activities
    where is_contact
),

conversations as (
    select
        channel_id,
        zoho_lead_id,
        min(activity_at) as first_conversation_at
    from int_lead_activities
    where is_conversation
    group by channel_id, zoho_lead_id
),

joined as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        leads.as_of_utc,
        leads.timezone,
        leads.created_at,
        leads.activities_readable,
        -- Without its time, a conversion counts as one up to as_of, as in the rates.
        leads.is_converted and coalesce(leads.converted_at <= leads.as_of_utc, true) as is_converted,
        leads.converted_at,
        firsts.activity_at as first_contact_at,
        firsts.activity_id as first_contact_activity_id,
        firsts.activity_type as first_contact_type,
        conversations.first_conversation_at,
        parameters.contact_early_seconds
    from int_live_leads as leads
    inner join int_parameters as parameters
        on leads.channel_id = parameters.channel_id
    left join ranked as firsts
        on
            leads.channel_id = firsts.channel_id
            and leads.zoho_lead_id = firsts.zoho_lead_id
            and firsts.activity_rank = 1
    left join conversations
        on
            leads.channel_id = conversations.channel_id
            and leads.zoho_lead_id = conversations.zoho_lead_id
)

select
    channel_id,
    zoho_lead_id,
    as_of_utc,
    timezone,
    created_at,
    first_contact_at,
    first_contact_activity_id,
    first_contact_type,
    first_conversation_at,
    -- If a contact is logged moments before the lead is created, its time is the creation of the lead.
    case when first_contact_at < created_at then created_at else first_contact_at end as clock_stops_at,
    case
        when is_converted and converted_at is null then null
        when is_converted then greatest(converted_at, created_at)
        else as_of_utc
    end as censored_at,
    case
        when not activities_readable then null
        -- Without a creation time, nobody knows how long a contact took, or how long the lead waits.
        when created_at is null then null
        when first_contact_at < created_at - contact_early_seconds * interval '1 second'
            then 'contact_before_creation'
        when first_contact_at is not null then 'contacted'
        when is_converted then 'converted_without_logged_contact'
        else 'uncontacted'
    end as contact_status
from joined
