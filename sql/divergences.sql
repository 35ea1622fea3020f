-- One divergence: a server of a connector, of any role, that Exchange Online refuses while it attributes the mail of
-- most of its fleet, for longer than `fleet_grace_hours`. Results are compared, never certificates or addresses:
-- servers may differ in both as long as mail is relayed.
-- A divergence runs from a bad hour of `attribution_hours` to the last one before a good one. In its first
-- `fleet_grace_hours` at least `fleet_servers` servers must have a result, and more than half of them a good one.
-- It `breaks` where more was refused than relayed in it. What a breaking change or lapse on the server itself explains is none.
-- `before` is the certificate that most of the good servers sent last until the grace was over, `after` the server's
-- own. Servers are compared in corrected time; times told are the server's own.
-- Grain: organization, connector_id, server, first_seen.
-- Reads: attribution_hours, verdicts, lapses, spans, proved_relays.
with numbered as (
    select
        organization,
        connector_id,
        server,
        hour,
        good,
        accepted,
        refused,
        first_refused,
        last_refused,
        session_id,
        skew_seconds,
        sum(case when good then 1 else 0 end) over (
            partition by organization, connector_id, server
            order by hour
            rows between unbounded preceding and current row
        ) as run
    from attribution_hours
),

runs as (
    select
        organization,
        connector_id,
        server,
        run,
        skew_seconds,
        sum(accepted) as accepted,
        sum(refused) as refused,
        min(first_refused) as begins,
        max(last_refused) as ends,
        min(first_refused) + setting('relaydrift.fleet_grace_hours') as judged_at,
        first_value(session_id order by hour) as session_id
    from numbered
    where not good
    group by organization, connector_id, server, run, skew_seconds
    having max(last_refused) >= min(first_refused) + setting('relaydrift.fleet_grace_hours')
),

results as (
    select
        runs.organization,
        runs.connector_id,
        runs.server,
        runs.run,
        runs.skew_seconds,
        runs.accepted,
        runs.refused,
        runs.begins,
        runs.ends,
        runs.judged_at,
        runs.session_id,
        fleet.server as other,
        100.0 * sum(fleet.refused)
        < setting('relaydrift.incident_percent') * (sum(fleet.accepted) + sum(fleet.refused)) as good
    from runs
    inner join attribution_hours as fleet
        on runs.organization = fleet.organization and runs.connector_id = fleet.connector_id
    where fleet.last_seen >= runs.begins and fleet.first_seen <= runs.judged_at
    group by
        runs.organization,
        runs.connector_id,
        runs.server,
        runs.run,
        runs.skew_seconds,
        runs.accepted,
        runs.refused,
        runs.begins,
        runs.ends,
        runs.judged_at,
        runs.session_id,
        fleet.server
),

-- Of each server's certificates the last until the grace was over.
presented as (
    select
        results.organization,
        results.connector_id,
        results.server,
        results.run,
        results.skew_seconds,
        results.accepted,
        results.refused,
        results.begins,
        results.ends,
        results.judged_at,
        results.session_id,
        results.other,
        results.good,
        last_value(certificates.value order by certificates.first_seen, certificates.value) as certificate
    from results
    left join spans as certificates
        on results.organization = certificates.organization
        and results.connector_id = certificates.connector_id
        and results.other = certificates.server
        and certificates.kind = 'certificate'
        and certificates.first_seen <= results.judged_at
    group by
        results.organization,
        results.connector_id,
        results.server,
        results.run,
        results.skew_seconds,
        results.accepted,
        results.refused,
        results.begins,
        results.ends,
        results.judged_at,
        results.session_id,
        results.other,
        results.good
),

weighed as (
    select
        organization,
        connector_id,
        server,
        run,
        other,
        good,
        certificate,
        named_struct(
            'accepted', accepted, 'refused', refused, 'session_id', session_id,
            'begins', begins + arrow_cast(skew_seconds, 'Duration(Second)'),
            'ends', ends + arrow_cast(skew_seconds, 'Duration(Second)'),
            'judged_at', judged_at + arrow_cast(skew_seconds, 'Duration(Second)')
        ) as divergence,
        count(other) over (
            partition by organization, connector_id, server, run, good, certificate
        ) as alike
    from presented
),

fleets as (
    select
        organization,
        connector_id,
        server,
        run,
        first_value(divergence) as divergence,
        count(other) as servers,
        sum(case when good then 1 else 0 end) as good_servers,
        array_to_string(array_agg(other order by other) filter (where good), ', ') as good_names,
        first_value(certificate order by case when good then 0 else 1 end, alike desc, certificate) as before,
        max(case when other = server then certificate end) as after
    from weighed
    group by organization, connector_id, server, run
    having
        count(other) >= setting('relaydrift.fleet_servers')
        and 2 * sum(case when good then 1 else 0 end) > count(other)
),

explained as (
    select
        fleets.organization,
        fleets.connector_id,
        fleets.server,
        fleets.run,
        first_value(fleets.divergence) as divergence,
        first_value(fleets.servers) as servers,
        first_value(fleets.good_servers) as good_servers,
        first_value(fleets.good_names) as good_names,
        first_value(fleets.before) as before,
        first_value(fleets.after) as after,
        count(causes.first_seen) as causes
    from fleets
    left join (
        select
            organization,
            connector_id,
            server,
            first_seen,
            last_refused
        from verdicts
        where breaks
        union all
        select
            organization,
            connector_id,
            server,
            first_seen,
            last_refused
        from lapses
        where breaks
    ) as causes
        on fleets.organization = causes.organization
        and fleets.connector_id = causes.connector_id
        and fleets.server = causes.server
        and causes.first_seen <= fleets.divergence['begins']
        and causes.last_refused >= fleets.divergence['begins']
    group by fleets.organization, fleets.connector_id, fleets.server, fleets.run
),

proved as (
    select
        explained.organization,
        explained.connector_id,
        explained.server,
        explained.run,
        first_value(explained.divergence) as divergence,
        first_value(explained.servers) as servers,
        first_value(explained.good_servers) as good_servers,
        first_value(explained.good_names) as good_names,
        first_value(explained.before) as before,
        first_value(explained.after) as after,
        max(proved_relays.at) as last_good
    from explained
    left join proved_relays
        on explained.organization = proved_relays.organization
        and explained.connector_id = proved_relays.connector_id
        and explained.server = proved_relays.server
        and proved_relays.at < explained.divergence['begins']
    where explained.causes = 0
    group by explained.organization, explained.connector_id, explained.server, explained.run
)

select
    organization,
    connector_id,
    server,
    'diverged' as class,
    setting('relaydrift.severity_diverged') as severity,
    divergence['judged_at'] as found_at,
    coalesce(before, 'none seen') as before,
    coalesce(after, 'none seen') as after,
    divergence['begins'] as first_seen,
    last_good,
    divergence['refused'] > divergence['accepted'] as breaks,
    divergence['refused'] as refused_after,
    divergence['ends'] as last_refused,
    divergence['session_id'] as session_id,
    concat(
        divergence['refused'], ' recipients refused',
        case when divergence['accepted'] > 0 then concat(', ', divergence['accepted'], ' accepted') else '' end,
        ' until ', to_char(divergence['ends'], '%Y-%m-%d %H:%M'), ', while ', good_servers, ' of ', servers,
        ' servers were attributed: ', good_names,
        case
            when before <> after then '; compare the certificates'
            else '; compare address, sender and what the certificates have in common'
        end
    ) as detail
from proved
