-- One hour of a connector on a server: sessions that began in it, those that failed in TLS or never connected,
-- transactions by outcome and recipients refused for want of attribution, and how long a transaction took
-- (`duration_ms`): of delivered transactions the 50th, 95th and 99th percentile, each the smallest duration that so
-- many took at most.
-- Grain: organization, connector_id, server, hour. Reads: sessions, transactions.
with opened as (
    select
        organization,
        connector_id,
        server,
        date_trunc('hour', start_time) as hour,
        count(*) as sessions,
        sum(case when outcome = 'tls_failed' or tls_error is not null then 1 else 0 end) as tls_failures,
        sum(case when outcome = 'connect_failed' then 1 else 0 end) as connect_failures
    from sessions
    group by organization, connector_id, server, date_trunc('hour', start_time)
),

timed as (
    select
        organization,
        connector_id,
        server,
        date_trunc('hour', start_time) as hour,
        case when outcome = 'delivered' then duration_ms end as duration_ms,
        count(*) as transactions,
        sum(case when outcome = 'delivered' then 1 else 0 end) as delivered,
        sum(case when outcome = 'deferred' then 1 else 0 end) as deferred,
        sum(case when outcome = 'rejected' then 1 else 0 end) as rejected,
        sum(case when outcome in ('refused', 'partly_refused') then 1 else 0 end) as refused,
        sum(refused) as refused_recipients
    from transactions
    group by
        organization,
        connector_id,
        server,
        date_trunc('hour', start_time),
        case when outcome = 'delivered' then duration_ms end
),

-- A duration with all that took no longer: an exact percentile in bounded memory, whatever the order of rows.
ranked as (
    select
        organization,
        connector_id,
        server,
        hour,
        duration_ms,
        transactions,
        delivered,
        deferred,
        rejected,
        refused,
        refused_recipients,
        sum(delivered) over (
            partition by organization, connector_id, server, hour order by duration_ms nulls last
        ) as delivered_until,
        sum(case when duration_ms is null then 0 else delivered end) over (
            partition by organization, connector_id, server, hour
        ) as delivered_together
    from timed
),

mailed as (
    select
        organization,
        connector_id,
        server,
        hour,
        sum(transactions) as transactions,
        sum(delivered) as delivered,
        sum(deferred) as deferred,
        sum(rejected) as rejected,
        sum(refused) as refused,
        sum(refused_recipients) as refused_recipients,
        min(case when 100 * delivered_until >= 50 * delivered_together then duration_ms end) as p50_ms,
        min(case when 100 * delivered_until >= 95 * delivered_together then duration_ms end) as p95_ms,
        min(case when 100 * delivered_until >= 99 * delivered_together then duration_ms end) as p99_ms
    from ranked
    group by organization, connector_id, server, hour
)

select
    coalesce(opened.organization, mailed.organization) as organization,
    coalesce(opened.connector_id, mailed.connector_id) as connector_id,
    coalesce(opened.server, mailed.server) as server,
    coalesce(opened.hour, mailed.hour) as hour,
    coalesce(opened.sessions, 0) as sessions,
    coalesce(opened.tls_failures, 0) as tls_failures,
    coalesce(opened.connect_failures, 0) as connect_failures,
    coalesce(mailed.transactions, 0) as transactions,
    coalesce(mailed.delivered, 0) as delivered,
    coalesce(mailed.deferred, 0) as deferred,
    coalesce(mailed.rejected, 0) as rejected,
    coalesce(mailed.refused, 0) as refused,
    coalesce(mailed.refused_recipients, 0) as refused_recipients,
    mailed.p50_ms,
    mailed.p95_ms,
    mailed.p99_ms
from opened
full join mailed
    on opened.organization = mailed.organization
    and opened.connector_id = mailed.connector_id
    and opened.server = mailed.server
    and opened.hour = mailed.hour
