-- Every finding, with the place of its deciding row, the facts of both certificates, and when the refusals under it
-- began. Grain: key.
with shown as (
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        thumbprint as value,
        first_seen,
        last_seen,
        first_refused,
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
        first_refused,
        first_source_id,
        first_line
    from egress_spans
    union all
    select
        kind,
        organization,
        connector_id,
        server,
        after as value,
        first_seen,
        last_seen,
        first_refused,
        source_id as first_source_id,
        line as first_line
    from lapses
    union all
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        after as value,
        first_seen,
        last_refused as last_seen,
        first_seen as first_refused,
        cast(null as varchar) as first_source_id,
        cast(null as bigint) as first_line
    from divergences
    union all
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        thumbprint as value,
        band_start as first_seen,
        last_seen,
        first_refused,
        cast(null as varchar) as first_source_id,
        cast(null as bigint) as first_line
    from certificate_expiry
    where band = 'expired'
)

select
    drift.key,
    drift.found_at,
    drift.kind,
    drift.class,
    drift.severity,
    drift.breaking,
    drift.organization,
    drift.connector_id,
    drift.role,
    drift.server,
    drift.before,
    old.subject as before_subject,
    old.names as before_names,
    drift.after,
    new.subject as after_subject,
    new.names as after_names,
    drift.first_seen,
    shown.last_seen,
    drift.last_good,
    drift.refused_after,
    coalesce(shown.first_refused, case when drift.refused_after > 0 then drift.found_at end) as first_refused,
    drift.last_refused,
    drift.session_id,
    drift.detail,
    drift.planned_change_id,
    files.path,
    shown.first_line as line,
    drift.relayed_again
from drift
left join shown
    on drift.kind = shown.kind
    and drift.organization = shown.organization
    and drift.connector_id = shown.connector_id
    and drift.server = shown.server
    and drift.after = shown.value
    and drift.first_seen = shown.first_seen
left join certificate_facts as old on drift.before = old.thumbprint
left join certificate_facts as new on drift.after = new.thumbprint
left join (select source_id, min(path) as path from sources group by source_id) as files
    on shown.first_source_id = files.source_id
order by drift.found_at, drift.connector_id, drift.server, drift.kind, drift.key
