-- Certificates that a connector sent and of which no log says enough: no subject, or no dates.
-- Grain: thumbprint. Reads: observations, certificate_facts.
select
    sent.thumbprint,
    max(sent.organization) as organization,
    min(sent.server) as server,
    count(distinct sent.server) as servers,
    max(sent.last_seen) as last_seen,
    max(facts.subject) as subject
from (
    select
        value as thumbprint,
        organization,
        server,
        last_seen
    from observations
    -- `none` is the proof that no certificate was sent.
    where kind = 'certificate' and value <> 'none'
) as sent
left join certificate_facts as facts on sent.thumbprint = facts.thumbprint
where facts.subject is null or facts.not_after is null
group by sent.thumbprint
order by last_seen desc, sent.thumbprint
