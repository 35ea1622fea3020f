-- One certificate with the facts of logs and imports, its SHA-256 where the certificate itself was imported, and the
-- organizations in whose servers' stores it was found. Grain: thumbprint.
select
    facts.thumbprint,
    stored.sha256,
    facts.subject,
    facts.issuer,
    facts.serial,
    facts.not_before,
    facts.not_after,
    facts.names,
    stored.organizations
from certificate_facts as facts
left join (
    select
        thumbprint,
        max(sha256) as sha256,
        array_agg(distinct organization) filter (where server is not null) as organizations
    from certificates
    group by thumbprint
) as stored
    on facts.thumbprint = stored.thumbprint
