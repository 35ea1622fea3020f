-- Every finding, with the place of its deciding row, the facts of both certificates, when the refusals under it
-- began and ended, and the first proved relay after the last of them.
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
        cast(null as timestamp) as last_refused,
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
        cast(null as timestamp) as last_refused,
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
        last_refused,
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
        last_refused,
        cast(null as varchar) as first_source_id,
        cast(null as bigint) as first_line
    from divergences
),

found as (
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
        drift.after,
        drift.first_seen,
        drift.last_good,
        drift.refused_after,
        drift.session_id,
        drift.detail,
        drift.planned_change_id,
        shown.last_seen,
        coalesce(shown.first_refused, case when drift.refused_after > 0 then drift.found_at end) as first_refused,
        coalesce(verdicts.last_refused, shown.last_refused) as last_refused,
        shown.first_source_id,
        shown.first_line
    from drift
    left join verdicts
        on drift.kind = verdicts.kind
        and drift.organization = verdicts.organization
        and drift.connector_id = verdicts.connector_id
        and drift.server = verdicts.server
        and drift.first_seen = verdicts.first_seen
        and drift.after = verdicts.after
    left join shown
        on drift.kind = shown.kind
        and drift.organization = shown.organization
        and drift.connector_id = shown.connector_id
        and drift.server = shown.server
        and drift.after = shown.value
        and drift.first_seen = shown.first_seen
)

select
    found.key,
    found.found_at,
    found.kind,
    found.class,
    found.severity,
    found.breaking,
    found.organization,
    found.connector_id,
    found.role,
    found.server,
    found.before,
    old.subject as before_subject,
    old.names as before_names,
    found.after,
    new.subject as after_subject,
    new.names as after_names,
    found.first_seen,
    found.last_seen,
    found.last_good,
    found.refused_after,
    found.first_refused,
    found.last_refused,
    found.session_id,
    found.detail,
    found.planned_change_id,
    min(files.path) as path,
    found.first_line as line,
    min(proved_relays.at) as relayed_again
from found
left join certificate_facts as old on found.before = old.thumbprint
left join certificate_facts as new on found.after = new.thumbprint
left join (select source_id, min(path) as path from sources group by source_id) as files
    on found.first_source_id = files.source_id
left join proved_relays
    on found.organization = proved_relays.organization
    and found.connector_id = proved_relays.connector_id
    and found.server = proved_relays.server
    and case when found.kind = 'egress' then 'egress' else 'certificate' end = proved_relays.kind
    and proved_relays.at > found.last_refused
group by
    found.key,
    found.found_at,
    found.kind,
    found.class,
    found.severity,
    found.breaking,
    found.organization,
    found.connector_id,
    found.role,
    found.server,
    found.before,
    old.subject,
    old.names,
    found.after,
    new.subject,
    new.names,
    found.first_seen,
    found.last_seen,
    found.last_good,
    found.refused_after,
    found.first_refused,
    found.last_refused,
    found.session_id,
    found.detail,
    found.planned_change_id,
    found.first_line
order by found.found_at, found.connector_id, found.server, found.kind, found.key
