-- One certificate in use by a connector on a server, of any role, and how near its end is. In use: sent within
-- `egress_baseline_days` of the newest row of the organization, and not replaced since (see `certificate_changes`).
-- Facts are those of any log that spelled the thumbprint out; without dates there is no band.
-- `band`: `first` from `expiry_first_days` before the end on, at most `expiry_first_share` of the life; `second`
-- likewise; `last` from `expiry_last_days` on, `expiry_last_short_days` where the life is shorter than
-- `expiry_short_life_days`; `expired` where it was sent after its end. `band_start` is when it began.
-- Grain: organization, connector_id, server, thumbprint. Reads: spans, certificate_changes, certificate_facts, observed.
with newest as (
    select
        organization,
        max(last_seen) as now
    from observed
    where kind = 'rows' and hour between timestamp '1990-01-01' and timestamp '2100-01-01'
    group by organization
),

changed as (
    select
        organization,
        connector_id,
        server,
        max(first_seen) as changed_at
    from certificate_changes
    group by organization, connector_id, server
),

used as (
    select
        spans.organization,
        spans.connector_id,
        spans.server,
        spans.compared as thumbprint,
        newest.now,
        min(spans.first_seen) as first_seen,
        max(spans.last_seen) as last_seen,
        sum(spans.sessions) as sessions,
        last_value(spans.first_session_id order by spans.first_seen) as session_id
    from spans
    inner join newest on spans.organization = newest.organization
    left join changed
        on spans.organization = changed.organization
        and spans.connector_id = changed.connector_id
        and spans.server = changed.server
    where spans.kind = 'certificate' and (changed.changed_at is null or spans.last_seen >= changed.changed_at)
    group by spans.organization, spans.connector_id, spans.server, spans.compared, newest.now
    having max(spans.last_seen) >= newest.now - setting('relaydrift.egress_baseline_days')
),

dated as (
    select
        used.organization,
        used.connector_id,
        used.server,
        used.thumbprint,
        used.now,
        used.first_seen,
        used.last_seen,
        used.sessions,
        used.session_id,
        facts.subject,
        facts.issuer,
        facts.serial,
        facts.not_before,
        facts.not_after,
        facts.names,
        greatest(
            facts.not_after - setting('relaydrift.expiry_first_days'),
            facts.not_after - arrow_cast(
                cast(
                    (to_unixtime(facts.not_after) - to_unixtime(facts.not_before))
                    * setting('relaydrift.expiry_first_share') as bigint
                ),
                'Duration(Second)'
            )
        ) as first_start,
        greatest(
            facts.not_after - setting('relaydrift.expiry_second_days'),
            facts.not_after - arrow_cast(
                cast(
                    (to_unixtime(facts.not_after) - to_unixtime(facts.not_before))
                    * setting('relaydrift.expiry_second_share') as bigint
                ),
                'Duration(Second)'
            )
        ) as second_start,
        case
            when facts.not_before + setting('relaydrift.expiry_short_life_days') > facts.not_after
                then facts.not_after - setting('relaydrift.expiry_last_short_days')
            else facts.not_after - setting('relaydrift.expiry_last_days')
        end as last_start
    from used
    left join certificate_facts as facts on used.thumbprint = facts.thumbprint
),

banded as (
    select
        organization,
        connector_id,
        server,
        thumbprint,
        now,
        first_seen,
        last_seen,
        sessions,
        session_id,
        subject,
        issuer,
        serial,
        not_before,
        not_after,
        names,
        first_start,
        second_start,
        last_start,
        case
            when last_seen >= not_after then 'expired'
            when now >= last_start then 'last'
            when now >= second_start then 'second'
            when now >= first_start then 'first'
        end as band
    from dated
)

select
    organization,
    connector_id,
    server,
    thumbprint,
    subject,
    issuer,
    serial,
    not_before,
    not_after,
    names,
    first_seen,
    last_seen,
    sessions,
    session_id,
    now,
    (to_unixtime(not_after) - to_unixtime(now)) / 86400 as days_left,
    band,
    case band
        when 'expired' then not_after
        when 'last' then last_start
        when 'second' then second_start
        when 'first' then first_start
    end as band_start
from banded
