-- One row per tested topic: does it get more deals than the other matured leads? Fisher's exact test, one-sided, and
-- Holm's procedure over the tested topics of the channel. If Deals cannot be read, nothing is tested.
--
-- Of N leads X have a deal. If a topic were indifferent, its n leads would be drawn by chance, and x of them would have
-- a deal with a hypergeometric probability. From x - 1 to x this probability changes by the factor
-- (X - x + 1) (n - x + 1) / (x (N - X - n + x)). The running product of the factors is the whole distribution but for
-- its total. So no engine needs factorials, and no difference of large logarithms loses digits.
with tested as (
    select
        topics.channel_id,
        topics.topic,
        topics.n_leads,
        topics.n_converted,
        base.n_leads as n_base,
        base.n_converted as x_base
    from metric_topic_counts as topics
    inner join metric_matured_counts as base
        on topics.channel_id = base.channel_id
    inner join int_parameters as parameters
        on topics.channel_id = parameters.channel_id
    where
        topics.n_leads > 0
        and topics.n_leads >= parameters.topic_min_leads
        and base.n_converted is not null
),

-- Topics with equally many leads have one distribution, so that it is computed once.
sizes as (
    select distinct
        channel_id,
        n_leads,
        n_base,
        x_base,
        greatest(0, n_leads + x_base - n_base) as first_x,
        least(n_leads, x_base) - greatest(0, n_leads + x_base - n_base) as last_step
    from tested
),

small_numbers as (
    select n
    from int_numbers
    where n < 100
),

-- The steps 0 to last_step in three levels, at most ten million: a join with one long list of numbers would compare each
-- size with all of them.
blocks as (
    select
        sizes.*,
        numbers.n * 10000 as first_step
    from sizes
    inner join int_numbers as numbers
        on numbers.n < 1000 and numbers.n * 10000 <= sizes.last_step
),

hundreds as (
    select
        blocks.channel_id,
        blocks.n_leads,
        blocks.n_base,
        blocks.x_base,
        blocks.first_x,
        blocks.last_step,
        blocks.first_step + numbers.n * 100 as first_step
    from blocks
    inner join small_numbers as numbers
        on blocks.first_step + numbers.n * 100 <= blocks.last_step
),

steps as (
    select
        hundreds.channel_id,
        hundreds.n_leads,
        hundreds.first_step + numbers.n as step,
        cast(hundreds.first_x + hundreds.first_step + numbers.n as double) as x,
        cast(hundreds.n_leads as double) as n,
        cast(hundreds.x_base as double) as base_x,
        cast(hundreds.n_base as double) as base_n
    from hundreds
    inner join small_numbers as numbers
        on hundreds.first_step + numbers.n <= hundreds.last_step
),

factors as (
    select
        channel_id,
        n_leads,
        x,
        case
            when step = 0 then cast(0 as double)
            else ln((base_x - x + 1) * (n - x + 1) / (x * (base_n - base_x - n + x)))
        end as log_factor
    from steps
),

-- No x is null; BigQuery accepts no other order of nulls in a running sum.
products as (
    select
        channel_id,
        n_leads,
        x,
        sum(log_factor) over (
            partition by channel_id, n_leads
            order by x nulls first
            rows between unbounded preceding and current row
        ) as log_weight
    from factors
),

peaks as (
    select
        channel_id,
        n_leads,
        x,
        log_weight - max(log_weight) over (partition by channel_id, n_leads) as log_weight
    from products
),

-- Postgres refuses the exponential of a number below -745, and a weight so small adds nothing.
weights as (
    select
        channel_id,
        n_leads,
        x,
        case when log_weight > -700 then exp(log_weight) else 0 end as weight
    from peaks
),

tails as (
    select
        channel_id,
        n_leads,
        x,
        sum(weight) over (
            partition by channel_id, n_leads
            order by x desc
            rows between unbounded preceding and current row
        ) as tail,
        sum(weight) over (partition by channel_id, n_leads) as total
    from weights
),

-- Each engine adds floating numbers in its own order, so that p has 12 decimals.
judged as (
    select
        tested.channel_id,
        tested.topic,
        case
            when tails.tail >= tails.total then cast(1 as double)
            else cast(cast(tails.tail / tails.total as decimal(18, 12)) as double)
        end as p_value
    from tested
    inner join tails
        on
            tested.channel_id = tails.channel_id
            and tested.n_leads = tails.n_leads
            and tested.n_converted = tails.x
),

ranked as (
    select
        channel_id,
        topic,
        p_value,
        count(*) over (partition by channel_id) as n_tested,
        rank() over (partition by channel_id order by p_value nulls first) as place
    from judged
)

-- Holm: the smallest p is multiplied by the number of tests, the next one by one less, and so on; the first product
-- above 5 % ends the list. Equal p have one place. A product is compared with what the rounding of p may have added.
select
    channel_id,
    topic,
    p_value,
    n_tested,
    max((n_tested - place + 1) * p_value) over (
        partition by channel_id
        order by p_value nulls first
        rows between unbounded preceding and current row
    ) <= 0.05 + 0.000000001 as is_strong
from ranked
