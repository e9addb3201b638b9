-- One row per channel, pipeline of a deal and stage of the settings: whether a deal in that stage is open, won or lost.
with settings as (
    select
        channel_id,
        pipeline,
        stage,
        case
            when lower(trim(forecast_type)) = 'open' then 'open'
            when lower(trim(forecast_type)) = 'closed won' then 'won'
            when lower(trim(forecast_type)) = 'closed lost' then 'lost'
            when probability >= 100 then 'won'
            when probability <= 0 then 'lost'
            when probability is not null then 'open'
            else 'unknown'
        end as deal_state
    from stg_deal_stages
),

-- If the settings do not contain the pipeline of a deal, a stage counts if it means the same in every pipeline.
stages as (
    select
        channel_id,
        stage,
        case when min(deal_state) = max(deal_state) then min(deal_state) else 'unknown' end as agreed_state
    from settings
    group by channel_id, stage
),

pipelines as (
    select distinct
        channel_id,
        coalesce(pipeline, '') as pipeline
    from stg_deals
)

select
    pipelines.channel_id,
    pipelines.pipeline,
    stages.stage,
    coalesce(settings.deal_state, stages.agreed_state) as deal_state
from pipelines
inner join stages
    on pipelines.channel_id = stages.channel_id
left join settings
    on
        pipelines.channel_id = settings.channel_id
        and pipelines.pipeline = settings.pipeline
        and stages.stage = settings.stage
