-- One certificate and what any log, server, form or import said of it. Of several texts for a thumbprint the one
-- with dates is taken, then the most complete, then the first in the order of text, so that the choice never varies.
-- `names_folded`: the names in lower case, for comparison. `family`: the domain that it stands for
-- (`certificate_family`). `microsoft`: whether that is one under which Exchange Online answers. `public_issuer`: whether
-- its issuer is a public authority.
-- Grain: thumbprint. Reads: certificates_seen, certificates.
select
    thumbprint,
    subject,
    issuer,
    serial,
    not_before,
    not_after,
    names,
    string_to_array(lower(array_to_string(names, ';')), ';') as names_folded,
    certificate_family(subject, names) as family,
    certificate_family(subject, names)
    in ('outlook.com', 'mx.microsoft', 'office365.us', 'outlook.cn', 'microsoft.com') as microsoft,
    public_authority(issuer) as public_issuer
from (
    select
        thumbprint,
        subject,
        issuer,
        serial,
        not_before,
        not_after,
        names,
        row_number() over (
            partition by thumbprint
            order by
                case when not_after is null then 1 else 0 end,
                case when subject is null then 1 else 0 end
                + case when issuer is null then 1 else 0 end
                + case when serial is null then 1 else 0 end,
                coalesce(cardinality(names), 0) desc,
                subject,
                issuer,
                serial,
                not_after,
                not_before,
                array_to_string(names, ';')
        ) as place
    from (
        select
            thumbprint,
            subject,
            issuer,
            serial,
            not_before,
            not_after,
            names
        from certificates_seen
        union all
        select
            thumbprint,
            subject,
            issuer,
            serial,
            not_before,
            not_after,
            names
        from certificates
    )
    where thumbprint is not null
)
where place = 1
