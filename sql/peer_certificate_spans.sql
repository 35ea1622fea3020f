-- One span of the certificates of one family that peers of a connector showed to a server: a cloud's leaves take
-- turns and differ from region to region, so that their names are compared and not their thumbprints. `family`: see
-- `certificate_family`; a thumbprint whose names no log spelled out stands for itself. `thumbprints`: the set that
-- was learned in the span. The facts are those of the first certificate. Spans are defined in `spans`.
-- Grain: organization, connector_id, server, family, first_seen. Reads: spans, certificate_facts, observations.
with learned as (
    select
        spans.organization,
        spans.connector_id,
        spans.server,
        spans.compared,
        spans.span,
        array_sort(array_agg(distinct observations.value)) as thumbprints
    from spans
    inner join observations
        on spans.organization = observations.organization
        and spans.connector_id = observations.connector_id
        and spans.server = observations.server
        and spans.kind = observations.kind
    left join certificate_facts as facts on observations.value = facts.thumbprint
    where
        spans.kind = 'peer'
        and observations.first_seen <= spans.last_seen
        and observations.last_seen >= spans.first_seen
        and coalesce(facts.family, observations.value) = spans.compared
    group by spans.organization, spans.connector_id, spans.server, spans.compared, spans.span
)

select
    spans.organization,
    spans.connector_id,
    spans.server,
    spans.compared as family,
    learned.thumbprints,
    spans.value as thumbprint,
    facts.subject,
    facts.issuer,
    facts.serial,
    facts.not_before,
    facts.not_after,
    facts.names,
    spans.first_seen,
    spans.last_seen,
    spans.sessions,
    spans.accepted,
    spans.refused,
    spans.first_accepted,
    spans.last_accepted,
    spans.first_refused,
    spans.last_refused,
    spans.first_session_id,
    spans.first_source_id,
    spans.first_line
from spans
inner join learned
    on spans.organization = learned.organization
    and spans.connector_id = learned.connector_id
    and spans.server = learned.server
    and spans.compared = learned.compared
    and spans.span = learned.span
left join certificate_facts as facts on spans.value = facts.thumbprint
where spans.kind = 'peer'
