-- One change of the certificate that a connector on a server sends, of any role, and its class:
-- `flapping` (three returns or more within 24 hours), `reverted` (the certificate had been there before),
-- `names_lost` (names are gone, the subject is the same or no name is new), `renamed` (another subject, or other
-- names), `reissued` (another issuer), `renewed` (all else, also where the logs do not spell the facts out).
-- severity: that of the class (`severity_renamed` and so on), of a return that ends refusals `severity_repaired`.
-- Grain: organization, connector_id, server, first_seen. Reads: verdicts, certificate_facts.
with compared as (
    select
        verdicts.organization,
        verdicts.connector_id,
        verdicts.server,
        verdicts.flapping,
        verdicts.changes,
        verdicts.returns,
        verdicts.found_at,
        verdicts.before,
        verdicts.before_refused,
        verdicts.after,
        verdicts.first_seen,
        verdicts.returned,
        verdicts.last_good,
        verdicts.breaks,
        verdicts.refused_after,
        verdicts.last_refused,
        verdicts.session_id,
        old.subject as old_subject,
        new.subject as new_subject,
        new.issuer as new_issuer,
        new.not_after as new_not_after,
        dn_equal(old.subject, new.subject) as same_subject,
        dn_equal(old.issuer, new.issuer) as same_issuer,
        array_to_string(array_sort(array_except(old.names_folded, new.names_folded)), ', ') as lost,
        array_to_string(array_sort(array_except(new.names_folded, old.names_folded)), ', ') as gained
    from verdicts
    left join certificate_facts as old on verdicts.before = old.thumbprint
    left join certificate_facts as new on verdicts.after = new.thumbprint
    where verdicts.kind = 'certificate'
),

classed as (
    select
        organization,
        connector_id,
        server,
        changes,
        returns,
        found_at,
        before,
        before_refused,
        after,
        first_seen,
        last_good,
        breaks,
        refused_after,
        last_refused,
        session_id,
        old_subject,
        new_subject,
        new_issuer,
        new_not_after,
        same_subject,
        lost,
        gained,
        case
            when flapping then 'flapping'
            when returned then 'reverted'
            when lost <> '' and (same_subject or gained = '') then 'names_lost'
            when not same_subject or lost <> '' then 'renamed'
            when not same_issuer then 'reissued'
            else 'renewed'
        end as class
    from compared
)

select
    organization,
    connector_id,
    server,
    class,
    case
        when class = 'flapping' then setting('relaydrift.severity_flapping')
        when class = 'reverted' and before_refused > 0 and refused_after = 0
            then setting('relaydrift.severity_repaired')
        when class = 'reverted' then setting('relaydrift.severity_reverted')
        when class = 'names_lost' then setting('relaydrift.severity_names_lost')
        when class = 'renamed' then setting('relaydrift.severity_renamed')
        when class = 'reissued' then setting('relaydrift.severity_reissued')
        else setting('relaydrift.severity_renewed')
    end as severity,
    found_at,
    before,
    after,
    first_seen,
    last_good,
    breaks,
    refused_after,
    last_refused,
    session_id,
    concat(
        case class
            when 'flapping' then concat(
                'the certificate changed ', changes, ' times and came back ', returns, ' times within a day'
            )
            when 'reverted' then 'a certificate used before is sent again'
            when 'names_lost' then concat('the new certificate no longer names ', lost)
            when 'renamed' then concat(
                'the certificate has another name',
                case when not same_subject then concat(': ', new_subject, ' instead of ', old_subject) else '' end,
                case when lost <> '' then concat('; names gone: ', lost) else '' end,
                case when gained <> '' then concat('; names new: ', gained) else '' end
            )
            when 'reissued' then concat('the certificate has another issuer: ', new_issuer)
            else case
                when same_subject is null then 'another certificate is sent; the logs do not spell both out'
                else concat('the certificate was renewed for ', new_subject)
            end
        end,
        case
            when class <> 'flapping' and new_not_after is not null
                then concat('; valid until ', to_char(new_not_after, '%Y-%m-%d'))
            else ''
        end
    ) as detail
from classed
