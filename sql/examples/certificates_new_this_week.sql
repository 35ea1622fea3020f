-- Which certificates were first seen in the last seven days of the data?
-- For the SOC: each must be in the list of certificates that somebody ordered.
with firsts as (
    select
        organization,
        thumbprint,
        subject,
        issuer,
        min(first_seen) as first_seen,
        array_agg(distinct server order by server) as servers
    from certificate_spans
    group by organization, thumbprint, subject, issuer
)

select
    first_seen,
    thumbprint,
    subject,
    issuer,
    servers
from firsts
where first_seen > (select max(last_seen) from certificate_spans) - interval '7 days'
order by first_seen;
