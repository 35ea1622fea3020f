-- One change of the address from which Exchange Online sees a connector on a server, of any role, and its class:
-- `flapping` (three returns or more within 24 hours, mail refused meanwhile), `moved` (an address not seen there
-- in the 14 days before and not in the opening set, used for 20 sessions or one hour), `family_changed` (the
-- same, where no address of that family was seen in those 14 days), `outside_expected` (the same, where the inbound
-- connectors that counted then list addresses, and none of them this one). Returns to a known address are no finding.
-- The numbers are the defaults of `egress_baseline_days`, `egress_moved_sessions` and `egress_moved_hours`.
-- severity: that of the class (`severity_moved` and so on).
-- Grain: organization, connector_id, server, first_seen. Reads: verdicts, expected_connectors.
with outside as (
    select
        verdicts.organization,
        verdicts.connector_id,
        verdicts.server,
        verdicts.first_seen
    from verdicts
    inner join expected_connectors as expected
        on verdicts.organization = expected.organization
        and verdicts.kind = 'egress'
        and expected.usable
        and cardinality(expected.sender_ip_addresses) > 0
        and (expected.counts_from is null or expected.counts_from <= verdicts.first_seen)
        and (expected.counts_to is null or expected.counts_to > verdicts.first_seen)
    group by verdicts.organization, verdicts.connector_id, verdicts.server, verdicts.first_seen
    having not bool_or(ip_in(verdicts.after, expected.sender_ip_addresses))
),

classed as (
    select
        verdicts.organization,
        verdicts.connector_id,
        verdicts.server,
        case
            when flapping then 'flapping'
            when
                family <> before_family
                and coalesce(verdicts.first_seen > family_seen + setting('relaydrift.egress_baseline_days'), true)
                then 'family_changed'
            when outside.organization is not null then 'outside_expected'
            else 'moved'
        end as class,
        changes,
        returns,
        found_at,
        before,
        before_family,
        after,
        verdicts.first_seen,
        family,
        use_sessions,
        last_good,
        breaks,
        refused_after,
        last_refused,
        session_id
    from verdicts
    left join outside
        on verdicts.organization = outside.organization
        and verdicts.connector_id = outside.connector_id
        and verdicts.server = outside.server
        and verdicts.first_seen = outside.first_seen
    where
        kind = 'egress'
        and (
            flapping
            or (
                verdicts.first_seen = use_first_seen
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
        when 'outside_expected' then setting('relaydrift.severity_outside_expected')
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
        else concat(
            'Exchange Online sees ', after, ' instead of ', before, ', in ', use_sessions, ' sessions so far',
            case when class = 'outside_expected' then '; no inbound connector lists it' else '' end
        )
    end as detail
from classed
