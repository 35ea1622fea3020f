-- What is known of every certificate that a server sent.
select
    facts.thumbprint,
    facts.subject,
    facts.issuer,
    facts.serial,
    facts.not_before,
    facts.not_after,
    facts.names
from certificate_facts as facts
inner join (select distinct thumbprint from certificate_spans) as sent on facts.thumbprint = sent.thumbprint
order by facts.thumbprint
