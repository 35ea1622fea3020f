-- What each server of a cloud connector presents now, of each kind: the values seen there in the last 14 days,
-- as far as they were seen after the last change (so that a pool of addresses is shown whole, and a certificate
-- that was replaced is not), and `none` where no certificate is sent any longer.
-- `from_start`: no change was found there, and the value was seen in the first 24 hours.
with bare as (
    select
        lapses.organization,
        lapses.connector_id,
        lapses.server,
        lapses.first_seen,
        lapses.last_seen,
        lapses.sessions,
        lapses.refused,
        lapses.last_refused,
        lapses.source_id,
        lapses.line
    from lapses
    inner join (
        select organization, connector_id, server, max(last_seen) as last_seen
        from certificate_spans
        group by organization, connector_id, server
    ) as sent
        on lapses.organization = sent.organization
        and lapses.connector_id = sent.connector_id
        and lapses.server = sent.server
    where lapses.class = 'missing' and lapses.last_seen >= sent.last_seen
),

shown as (
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        thumbprint as value,
        first_seen,
        last_seen,
        sessions,
        accepted,
        refused,
        last_refused,
        first_source_id,
        first_line
    from certificate_spans
    union all
    select
        'egress' as kind,
        organization,
        connector_id,
        server,
        egress_ip as value,
        first_seen,
        last_seen,
        sessions,
        accepted,
        refused,
        last_refused,
        first_source_id,
        first_line
    from egress_spans
    union all
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        'none' as value,
        first_seen,
        last_seen,
        sessions,
        null as accepted,
        refused,
        last_refused,
        source_id as first_source_id,
        line as first_line
    from bare
),

changed as (
    select
        kind,
        organization,
        connector_id,
        server,
        max(first_seen) as changed_at
    from (
        select kind, organization, connector_id, server, first_seen
        from drift
        where class not in ('missing', 'diverged', 'expiring', 'expired')
        union all
        select 'certificate' as kind, organization, connector_id, server, first_seen
        from bare
    )
    group by kind, organization, connector_id, server
),

placed as (
    select
        shown.kind,
        shown.organization,
        shown.connector_id,
        shown.server,
        shown.value,
        shown.first_seen,
        shown.last_seen,
        shown.sessions,
        shown.accepted,
        shown.refused,
        shown.last_refused,
        shown.first_source_id,
        shown.first_line,
        changed.changed_at,
        min(shown.first_seen) over place as place_start,
        max(shown.last_seen) over place as place_end
    from shown
    left join changed
        on shown.kind = changed.kind
        and shown.organization = changed.organization
        and shown.connector_id = changed.connector_id
        and shown.server = changed.server
    window place as (partition by shown.kind, shown.organization, shown.connector_id, shown.server)
),

lasting as (
    select
        kind,
        organization,
        connector_id,
        server,
        value,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(sessions) as sessions,
        sum(accepted) as accepted,
        sum(refused) as refused,
        max(last_refused) as last_refused,
        first_value(first_source_id order by first_seen) as first_source_id,
        first_value(first_line order by first_seen) as first_line,
        bool_and(changed_at is null) and min(first_seen) < min(place_start) + interval '24 hours' as from_start
    from placed
    where changed_at is null or last_seen >= changed_at
    group by kind, organization, connector_id, server, value
    having max(last_seen) >= max(place_end) - setting('relaydrift.egress_baseline_days')
)

select
    lasting.kind,
    lasting.organization,
    lasting.connector_id,
    lasting.server,
    lasting.value,
    facts.subject,
    facts.issuer,
    dn_attribute(facts.issuer, 'CN') as issued_by,
    facts.serial,
    facts.not_before,
    facts.not_after,
    facts.names,
    lasting.first_seen,
    lasting.last_seen,
    lasting.from_start,
    lasting.sessions,
    lasting.accepted,
    lasting.refused,
    lasting.last_refused,
    files.path,
    lasting.first_line as line
from lasting
inner join connectors
    on lasting.organization = connectors.organization and lasting.connector_id = connectors.connector_id
left join certificate_facts as facts on lasting.kind = 'certificate' and lasting.value = facts.thumbprint
left join (select source_id, min(path) as path from sources group by source_id) as files
    on lasting.first_source_id = files.source_id
where connectors.role in ('cloud_hybrid', 'cloud_relay')
order by lasting.organization, lasting.connector_id, lasting.server, lasting.kind, lasting.first_seen, lasting.value
