-- One row per channel, pipeline of a deal and stage of the settings: whether a deal in that stage is open, won or lost.
with settings as (
    select
        stages.channel_id,
        stages.pipeline,
        stages.stage,
        case
            when types.normal = 'open' then 'open'
            when types.normal = 'closed won' then 'won'
            when types.normal = 'closed lost' then 'lost'
            when stages.probability >= 100 then 'won'
            when stages.probability <= 0 then 'lost'
            when stages.probability is not null then 'open'
            else 'unknown'
        end as deal_state
    from stg_deal_stages as stages
    left join int_normal_texts as types
        on stages.forecast_type = types.value
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
