-- One certificate in use by a connector on a server, of any role, and how near its end is. In use: sent within
-- `egress_baseline_days` of the newest row of the organization, and not replaced since (see `certificate_changes`).
-- Facts are those of any log that spelled the thumbprint out; without dates there is no band.
-- `band`: `first` from `expiry_first_days` before the end on, at most `expiry_first_share` of the life; `second`
-- likewise; `last` from `expiry_last_days` on, `expiry_last_short_days` where the life is shorter than
-- `expiry_short_life_days`; `expired` where it was sent after its end. `band_start` is when it began.
-- `severity`: that of the band (`severity_expiring_first` and so on, `severity_expired`). `refused`, `first_refused`,
-- `last_refused`: recipients refused in sessions that sent it after its end. `successor`: a certificate for the same
-- names and more that ends later and lies in the imported store of every server that sends this one: then there is no
-- band but `expired`.
-- Grain: organization, connector_id, server, thumbprint.
-- Reads: spans, certificate_changes, certificate_facts, observed, present, proved_relays, certificates.
with changed as (
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
        present.now,
        min(spans.first_seen) as first_seen,
        max(spans.last_seen) as last_seen,
        sum(spans.sessions) as sessions,
        last_value(spans.first_session_id order by spans.first_seen) as session_id
    from spans
    inner join present on spans.organization = present.organization
    left join changed
        on spans.organization = changed.organization
        and spans.connector_id = changed.connector_id
        and spans.server = changed.server
    where spans.kind = 'certificate' and (changed.changed_at is null or spans.last_seen >= changed.changed_at)
    group by spans.organization, spans.connector_id, spans.server, spans.compared, present.now
    having max(spans.last_seen) >= present.now - setting('relaydrift.egress_baseline_days')
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
        facts.names_folded,
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

-- What was refused after the end; a relay proved in between shows that the end is not why.
ended as (
    select
        dated.organization,
        dated.connector_id,
        dated.server,
        dated.thumbprint,
        sum(observed.refused) as refused,
        min(observed.first_refused) as first_refused,
        max(observed.last_refused) as last_refused
    from dated
    inner join observed
        on dated.organization = observed.organization
        and dated.connector_id = observed.connector_id
        and dated.server = observed.server
        and observed.kind = 'certificate'
        and dated.thumbprint = observed.compared
        and observed.first_refused >= dated.not_after
    group by dated.organization, dated.connector_id, dated.server, dated.thumbprint
),

passed as (
    select distinct
        ended.organization,
        ended.connector_id,
        ended.server,
        ended.thumbprint
    from ended
    inner join dated
        on ended.organization = dated.organization
        and ended.connector_id = dated.connector_id
        and ended.server = dated.server
        and ended.thumbprint = dated.thumbprint
    inner join proved_relays
        on ended.organization = proved_relays.organization
        and ended.connector_id = proved_relays.connector_id
        and ended.server = proved_relays.server
        and proved_relays.at >= dated.not_after
        and proved_relays.at <= ended.first_refused
),

-- Exchange chooses the newest of the same issuer and subject by itself; another issuer has to be named first.
stored as (
    select
        dated.organization,
        dated.connector_id,
        dated.server,
        dated.thumbprint,
        last_value(certificates.thumbprint order by certificates.not_after, certificates.thumbprint) as successor
    from dated
    inner join certificates
        on dated.organization = certificates.organization
        and lower(dated.server) = lower(certificates.server)
        and certificates.not_after > dated.not_after
        and dn_equal(dated.subject, certificates.subject)
        and dn_equal(dated.issuer, certificates.issuer)
        and cardinality(
            array_except(dated.names_folded, string_to_array(lower(array_to_string(certificates.names, ';')), ';'))
        ) = 0
    where coalesce(certificates.has_private_key, true)
    group by dated.organization, dated.connector_id, dated.server, dated.thumbprint
),

succeeded as (
    select
        dated.organization,
        dated.connector_id,
        dated.thumbprint,
        case when bool_and(stored.successor is not null) then max(stored.successor) end as successor
    from dated
    left join stored
        on dated.organization = stored.organization
        and dated.connector_id = stored.connector_id
        and dated.server = stored.server
        and dated.thumbprint = stored.thumbprint
    group by dated.organization, dated.connector_id, dated.thumbprint
),

banded as (
    select
        dated.organization,
        dated.connector_id,
        dated.server,
        dated.thumbprint,
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
        case when passed.thumbprint is null then coalesce(ended.refused, 0) else 0 end as refused,
        case when passed.thumbprint is null then ended.first_refused end as first_refused,
        case when passed.thumbprint is null then ended.last_refused end as last_refused,
        succeeded.successor,
        case
            when last_seen >= not_after then 'expired'
            when succeeded.successor is not null then null
            when now >= last_start then 'last'
            when now >= second_start then 'second'
            when now >= first_start then 'first'
        end as band
    from dated
    inner join succeeded
        on dated.organization = succeeded.organization
        and dated.connector_id = succeeded.connector_id
        and dated.thumbprint = succeeded.thumbprint
    left join ended
        on dated.organization = ended.organization
        and dated.connector_id = ended.connector_id
        and dated.server = ended.server
        and dated.thumbprint = ended.thumbprint
    left join passed
        on dated.organization = passed.organization
        and dated.connector_id = passed.connector_id
        and dated.server = passed.server
        and dated.thumbprint = passed.thumbprint
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
    refused,
    first_refused,
    last_refused,
    successor,
    now,
    (to_unixtime(not_after) - to_unixtime(now)) / 86400 as days_left,
    band,
    case band
        when 'expired' then not_after
        when 'last' then last_start
        when 'second' then second_start
        when 'first' then first_start
    end as band_start,
    case band
        when 'expired' then setting('relaydrift.severity_expired')
        when 'last' then setting('relaydrift.severity_expiring_last')
        when 'second' then setting('relaydrift.severity_expiring_second')
        when 'first' then setting('relaydrift.severity_expiring_first')
    end as severity
from banded
