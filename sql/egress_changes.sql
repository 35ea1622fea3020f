-- One change of the address from which Exchange Online sees a connector on a server, of any role, and its class:
-- `flapping` (three returns or more within 24 hours, mail refused meanwhile), `moved` (an address not seen there
-- in the 14 days before and not in the opening set, used for 20 sessions or one hour), `family_changed` (the
-- same, where no address of that family was seen in those 14 days). Returns to a known address are no finding.
-- The numbers are the defaults of `egress_baseline_days`, `egress_moved_sessions` and `egress_moved_hours`.
-- severity: that of the class (`severity_moved` and so on).
-- Grain: organization, connector_id, server, first_seen. Reads: verdicts.
with classed as (
    select
        organization,
        connector_id,
        server,
        case
            when flapping then 'flapping'
            when
                family <> before_family
                and coalesce(first_seen > family_seen + setting('relaydrift.egress_baseline_days'), true)
                then 'family_changed'
            else 'moved'
        end as class,
        changes,
        returns,
        found_at,
        before,
        before_family,
        after,
        first_seen,
        family,
        use_sessions,
        last_good,
        breaks,
        refused_after,
        last_refused,
        session_id
    from verdicts
    where
        kind = 'egress'
        and (
            flapping
            or (
                first_seen = use_first_seen
                and not in_opening_set
                and (
                    use_sessions >= setting('relaydrift.egress_moved_sessions')
                    or use_last_seen >= use_first_seen + setting('relaydrift.egress_moved_hours')
                )
            )
        )
)

select
    organization,
    connector_id,
    server,
    class,
    case class
        when 'flapping' then setting('relaydrift.severity_flapping')
        when 'family_changed' then setting('relaydrift.severity_family_changed')
        else setting('relaydrift.severity_moved')
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
    case class
        when 'flapping' then concat(
            'the egress address changed ', changes, ' times and came back ', returns, ' times within a day'
        )
        when 'family_changed' then concat(
            'Exchange Online sees ', after, ' (', family, ') where it saw only ', before_family, ' before'
        )
        else concat('Exchange Online sees ', after, ' instead of ', before, ', in ', use_sessions, ' sessions so far')
    end as detail
from classed
