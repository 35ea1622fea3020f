-- Every finding of `drift`, with the facts of both certificates; `over`: when a silence ended. Grain: key.
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
    drift.last_refused,
    drift.relayed_again,
    drift.session_id,
    drift.detail,
    drift.planned_change_id,
    old.subject as before_subject,
    old.issuer as before_issuer,
    old.serial as before_serial,
    old.not_before as before_not_before,
    old.not_after as before_not_after,
    old.names as before_names,
    new.subject as after_subject,
    new.issuer as after_issuer,
    new.serial as after_serial,
    new.not_before as after_not_before,
    new.not_after as after_not_after,
    new.names as after_names,
    case when not silences.lasts then silences.ends end as over
from drift
left join silences
    on drift.kind = 'silence'
    and drift.organization = silences.organization
    and drift.connector_id = silences.connector_id
    and drift.server = silences.server
    and drift.first_seen = silences.first_seen
left join certificate_facts as old on drift.kind = 'certificate' and drift.before = old.thumbprint
left join certificate_facts as new on drift.kind = 'certificate' and drift.after = new.thumbprint
