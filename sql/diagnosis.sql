-- One incident on one server with its cause, the evidence, and what to do: what an administrator brings to the
-- change board. Also mail that passes without attribution (`silent_degradation`, nobody refused yet), and a
-- connector that fell silent after its certificate changed elsewhere (`silence_after_traffic`).
-- cause: never null; `unknown` says in its explanation what was checked and what is missing. confidence: see `causes`.
-- state: see `incidents`. incident_uid: the same for all servers that one cause hit together. messages: what
-- bounced and must be sent again. own_senders, foreign_senders: the domains of refused senders that are the tenant's, or
-- not; null_senders: refused transactions without a sender (reports, out-of-office replies). first_refused, session_id, source_id, line, reply: the deciding row, the exact
-- reply. spared_servers: the control group. ruled_out: what was looked at and is not the reason. fix, verify,
-- rollback: commands to copy, never run from here. stream: `security` or `operations`. planned_change_id: of the
-- change that led to it, where it was planned (see `drift`).
-- severity: as in `drift`: `severity_refused_everywhere` where every server that reached Exchange Online around it was
-- refused for `critical_minutes` or longer; else `severity_refused`, of refusals on the recipients' side
-- `severity_recipient_side`, of silence `severity_silence`.
-- Grain: organization, connector_id, server, cause, first_refused.
-- Reads: incidents, incident_evidence, causes, attribution, silences, connectors, planned_findings, certificate_changes,
-- certificate_facts, send_connectors, present, expected_connectors, sources.
-- A session that TLS ended and the refusals that followed without TLS are one incident.
with told as (
    select
        incidents.organization,
        incidents.connector_id,
        incidents.role,
        incidents.server,
        incidents.family,
        causes.cause,
        causes.confidence,
        incidents.state,
        incidents.first_refused,
        incidents.last_refused,
        incidents.last_good,
        incidents.relayed_again,
        incidents.sessions,
        incidents.transactions,
        incidents.refused,
        incidents.messages,
        incidents.codes,
        incidents.sender_domains,
        evidence.own_senders,
        evidence.foreign_senders,
        incidents.null_senders,
        incidents.recipient_domains,
        incidents.first,
        evidence.thumbprint,
        evidence.egress_ip,
        evidence.subject,
        evidence.not_after,
        evidence.names,
        evidence.change,
        evidence.move,
        evidence.tls_failure,
        evidence.intercepted_by,
        evidence.passed,
        evidence.refused_everywhere,
        evidence.hit_servers,
        evidence.spared_servers,
        evidence.siblings_certificate,
        evidence.imported,
        evidence.certificate_matches,
        evidence.address_matches,
        evidence.changed_there,
        evidence.inbound,
        evidence.newer,
        evidence.with_tls
    from incidents
    inner join causes on incidents.incident = causes.incident
    inner join incident_evidence as evidence on incidents.incident = evidence.incident
    left join incidents as refusing
        on incidents.family = 'tls'
        and refusing.family = 'attribution'
        and incidents.organization = refusing.organization
        and incidents.connector_id = refusing.connector_id
        and incidents.server = refusing.server
        and refusing.first_refused <= incidents.last_refused + interval '15 minutes'
        and refusing.last_refused >= incidents.first_refused - interval '15 minutes'
    where refusing.organization is null
),

-- Mail to the tenant's own recipients passes unattributed; the connector shows what it should not.
degraded as (
    select
        attribution.organization,
        attribution.connector_id,
        attribution.role,
        attribution.server,
        attribution.value as thumbprint,
        attribution.first_seen,
        attribution.last_seen,
        attribution.sessions,
        attribution.accepted,
        first_value(egress.value order by egress.last_seen desc, egress.value) as egress_ip
    from attribution
    left join attribution as egress
        on egress.kind = 'egress'
        and attribution.organization = egress.organization
        and attribution.connector_id = egress.connector_id
        and attribution.server = egress.server
        and egress.first_seen <= attribution.last_seen
        and egress.last_seen >= attribution.first_seen
    where
        attribution.kind = 'certificate'
        and attribution.verdict = 'expected_mismatch'
        and attribution.accepted > 0
        and not attribution.inferred
    group by
        attribution.organization,
        attribution.connector_id,
        attribution.role,
        attribution.server,
        attribution.value,
        attribution.first_seen,
        attribution.last_seen,
        attribution.sessions,
        attribution.accepted
),

degrading as (
    select
        degraded.organization,
        degraded.connector_id,
        degraded.role,
        degraded.server,
        degraded.thumbprint,
        degraded.first_seen,
        degraded.last_seen,
        degraded.sessions,
        degraded.egress_ip,
        facts.subject,
        facts.not_after,
        facts.names
    from degraded
    left join incidents
        on degraded.organization = incidents.organization
        and degraded.connector_id = incidents.connector_id
        and degraded.server = incidents.server
        and incidents.first_refused <= degraded.last_seen
        and incidents.last_refused >= degraded.first_seen
    left join certificate_facts as facts on degraded.thumbprint = facts.thumbprint
    where incidents.organization is null
),

-- A silence after the certificate changed on a sibling, or where the send connector names a certificate.
silenced as (
    select
        silences.organization,
        silences.connector_id,
        connectors.role,
        silences.server,
        silences.first_seen,
        silences.lasts,
        silences.ends
    from silences
    inner join connectors
        on silences.organization = connectors.organization and silences.connector_id = connectors.connector_id
    left join certificate_changes as elsewhere
        on silences.organization = elsewhere.organization
        and silences.connector_id = elsewhere.connector_id
        and silences.server <> elsewhere.server
        and elsewhere.first_seen between silences.first_seen - interval '7 days' and silences.first_seen
    left join send_connectors
        on silences.organization = send_connectors.organization
        and silences.connector_id = send_connectors.name
        and send_connectors.tls_certificate_name is not null
    where
        connectors.role in ('cloud_hybrid', 'cloud_relay')
        and (elsewhere.server is not null or send_connectors.name is not null)
    group by
        silences.organization,
        silences.connector_id,
        connectors.role,
        silences.server,
        silences.first_seen,
        silences.lasts,
        silences.ends
),

tenant as (
    select
        organization,
        first_value(
            named_struct(
                'name', name, 'guid', guid, 'enabled', enabled, 'type', connector_type,
                'certificate_name', tls_sender_certificate_name, 'addresses', sender_ip_addresses
            )
            order by case when usable then 0 else 1 end, counts_from desc, name
        ) as inbound
    from expected_connectors
    where counts_to is null
    group by organization
),

-- The send connectors by the newest import.
sending as (
    select
        organization,
        name,
        last_value(guid order by valid_from) as guid
    from send_connectors
    group by organization, name
),

united as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        cause,
        confidence,
        state,
        first_refused,
        last_refused,
        last_good,
        relayed_again,
        sessions,
        transactions,
        refused,
        messages,
        codes,
        sender_domains,
        own_senders,
        foreign_senders,
        null_senders,
        recipient_domains,
        first,
        thumbprint,
        egress_ip,
        subject,
        not_after,
        names,
        change,
        move,
        tls_failure,
        intercepted_by,
        refused_everywhere,
        hit_servers,
        spared_servers,
        siblings_certificate,
        imported,
        changed_there,
        inbound,
        newer,
        array_to_string(
            [
                case when change is null then 'the certificate did not change since the last proved relay' end,
                case when certificate_matches then 'the certificate matches the inbound connector' end,
                case when move is null and egress_ip is not null then 'the address did not change' end,
                case when address_matches then 'the address is listed on the inbound connector' end,
                case when with_tls > 0 and tls_failure is null then 'TLS was set up, no failure was logged' end,
                case when intercepted_by is null and with_tls > 0 then 'the peer''s certificate shows no interception' end,
                case when not_after > last_refused then concat('the certificate is valid until ', to_char(not_after, '%Y-%m-%d')) end,
                case
                    when passed = 0 then 'no other mail to the outside passed meanwhile: it is not senders or recipients'
                end
            ],
            '; '
        ) as ruled_out
    from told
    union all
    select
        degrading.organization,
        degrading.connector_id,
        degrading.role,
        degrading.server,
        'attribution' as family,
        'silent_degradation' as cause,
        'medium' as confidence,
        case when degrading.last_seen >= present.now - interval '24 hours' then 'open' else 'historic' end as state,
        degrading.first_seen as first_refused,
        degrading.last_seen as last_refused,
        null as last_good,
        null as relayed_again,
        degrading.sessions,
        cast(0 as bigint) as transactions,
        cast(0 as bigint) as refused,
        cast(0 as bigint) as messages,
        [] as codes,
        [] as sender_domains,
        [] as own_senders,
        [] as foreign_senders,
        cast(0 as bigint) as null_senders,
        [] as recipient_domains,
        null as first,
        degrading.thumbprint,
        degrading.egress_ip,
        degrading.subject,
        degrading.not_after,
        degrading.names,
        null as change,
        null as move,
        null as tls_failure,
        null as intercepted_by,
        false as refused_everywhere,
        null as hit_servers,
        null as spared_servers,
        null as siblings_certificate,
        true as imported,
        null as changed_there,
        tenant.inbound,
        null as newer,
        'no mail to the outside was refused: it may not be sent this way' as ruled_out
    from degrading
    inner join present on degrading.organization = present.organization
    left join tenant on degrading.organization = tenant.organization
    union all
    select
        silenced.organization,
        silenced.connector_id,
        silenced.role,
        silenced.server,
        'silence' as family,
        'silence_after_traffic' as cause,
        'low' as confidence,
        case
            when silenced.lasts then 'open'
            when present.now < silenced.ends + setting('relaydrift.incident_historic_days') then 'closed'
            else 'historic'
        end as state,
        silenced.first_seen as first_refused,
        silenced.ends as last_refused,
        null as last_good,
        case when not silenced.lasts then silenced.ends end as relayed_again,
        cast(0 as bigint) as sessions,
        cast(0 as bigint) as transactions,
        cast(0 as bigint) as refused,
        cast(0 as bigint) as messages,
        [] as codes,
        [] as sender_domains,
        [] as own_senders,
        [] as foreign_senders,
        cast(0 as bigint) as null_senders,
        [] as recipient_domains,
        null as first,
        null as thumbprint,
        null as egress_ip,
        null as subject,
        null as not_after,
        null as names,
        null as change,
        null as move,
        null as tls_failure,
        null as intercepted_by,
        false as refused_everywhere,
        null as hit_servers,
        null as spared_servers,
        null as siblings_certificate,
        tenant.organization is not null as imported,
        null as changed_there,
        tenant.inbound,
        null as newer,
        'the server still logged other mail: it was not down' as ruled_out
    from silenced
    inner join present on silenced.organization = present.organization
    left join tenant on silenced.organization = tenant.organization
),

grouped as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        cause,
        confidence,
        state,
        first_refused,
        last_refused,
        last_good,
        relayed_again,
        sessions,
        transactions,
        refused,
        messages,
        codes,
        sender_domains,
        own_senders,
        foreign_senders,
        null_senders,
        recipient_domains,
        first,
        thumbprint,
        egress_ip,
        subject,
        not_after,
        names,
        change,
        move,
        tls_failure,
        intercepted_by,
        refused_everywhere,
        hit_servers,
        spared_servers,
        siblings_certificate,
        imported,
        changed_there,
        inbound,
        newer,
        ruled_out,
        sum(begins) over (
            partition by organization, connector_id, cause order by first_refused, server
        ) as number
    from (
        select
            organization,
            connector_id,
            role,
            server,
            family,
            cause,
            confidence,
            state,
            first_refused,
            last_refused,
            last_good,
            relayed_again,
            sessions,
            transactions,
            refused,
            messages,
            codes,
            sender_domains,
            own_senders,
            foreign_senders,
            null_senders,
            recipient_domains,
            first,
            thumbprint,
            egress_ip,
            subject,
            not_after,
            names,
            change,
            move,
            tls_failure,
            intercepted_by,
            refused_everywhere,
            hit_servers,
            spared_servers,
            siblings_certificate,
            imported,
            changed_there,
            inbound,
            newer,
            ruled_out,
            case
                when
                    coalesce(
                        first_refused > max(last_refused) over (
                            partition by organization, connector_id, cause
                            order by first_refused, server
                            rows between unbounded preceding and 1 preceding
                        ) + setting('relaydrift.incident_merge_hours'),
                        true
                    )
                    then 1
                else 0
            end as begins
        from united
    )
),

gaps as (
    select
        grouped.organization,
        connector_id,
        role,
        server,
        family,
        cause,
        confidence,
        state,
        first_refused,
        last_refused,
        last_good,
        relayed_again,
        sessions,
        transactions,
        refused,
        messages,
        codes,
        sender_domains,
        own_senders,
        foreign_senders,
        null_senders,
        recipient_domains,
        first,
        thumbprint,
        egress_ip,
        change,
        move,
        refused_everywhere,
        hit_servers,
        spared_servers,
        ruled_out,
        min(first_refused) over (partition by grouped.organization, connector_id, cause, number) as opened,
        [
            concat('server=', server),
            concat('servers=', array_to_string(coalesce(hit_servers, [server]), chr(31))),
            concat('connector=', connector_id),
            concat('thumbprint=', thumbprint),
            concat('before=', change['before']),
            concat('change_at=', to_char(change['at'], '%Y-%m-%d %H:%M UTC')),
            concat('egress_ip=', egress_ip),
            concat('before_ip=', move['before']),
            concat('move_at=', to_char(move['at'], '%Y-%m-%d %H:%M UTC')),
            concat('inbound=', inbound['name']),
            concat('inbound_guid=', inbound['guid']),
            concat('send_guid=', sending.guid),
            concat(
                'certificate_name=',
                coalesce(
                    inbound['certificate_name'],
                    case when imported then 'no name' else 'a name that no export given here tells' end
                )
            ),
            concat(
                'addresses=',
                coalesce(
                    nullif(array_to_string(inbound['addresses'], chr(31)), ''),
                    case when imported then 'no address' else 'addresses that no export given here tells' end
                )
            ),
            case
                when inbound['name'] is not null
                    then concat(
                        'all_addresses=',
                        array_to_string(array_append(inbound['addresses'], egress_ip), chr(31))
                    )
            end,
            concat('subject=', subject),
            concat('names=', array_to_string(names, chr(31))),
            concat('not_after=', to_char(not_after, '%Y-%m-%d')),
            concat('tls_failure=', tls_failure),
            concat('intercepted_by=', intercepted_by),
            concat('newer=', newer['thumbprint']),
            concat('newer_subject=', newer['subject']),
            concat('siblings_certificate=', siblings_certificate),
            concat('hit=', array_to_string(coalesce(hit_servers, [server]), chr(31))),
            concat('spared=', array_to_string(spared_servers, chr(31))),
            concat('codes=', array_to_string(codes, chr(31))),
            concat('first=', to_char(first_refused, '%Y-%m-%d %H:%M UTC')),
            concat('sender_domains=', array_to_string(sender_domains, chr(31))),
            concat('recipient_domains=', array_to_string(recipient_domains, chr(31))),
            concat(
                'changed_there=',
                case
                    when changed_there is not null
                        then concat('an inbound connector was last changed at ', to_char(changed_there, '%Y-%m-%d %H:%M UTC'))
                    else 'when the connector was last changed stands in WhenChangedUTC'
                end
            ),
            concat(
                'missing=',
                case
                    when imported then 'The inbound connectors that were imported do not explain it.'
                    else 'Missing: exports of the inbound connectors and accepted domains.'
                end
            )
        ] as facts
    from grouped
    left join sending
        on grouped.organization = sending.organization
        and grouped.connector_id = sending.name
)

select
    gaps.organization,
    gaps.connector_id,
    gaps.role,
    gaps.server,
    gaps.cause,
    remedy(gaps.cause, 'title', gaps.facts) as title,
    gaps.confidence,
    gaps.state,
    case
        when gaps.cause = 'silence_after_traffic' then setting('relaydrift.severity_silence')
        when gaps.cause = 'recipient_side' then setting('relaydrift.severity_recipient_side')
        when gaps.refused > 0 and gaps.refused_everywhere then setting('relaydrift.severity_refused_everywhere')
        else setting('relaydrift.severity_refused')
    end as severity,
    case
        when
            gaps.cause in (
                'tls_intercepted', 'tls_stripped', 'blocked_connector', 'tenant_blocked', 'cloud_side_changed',
                'connector_disabled', 'shared_tenant'
            )
            then 'security'
        else 'operations'
    end as stream,
    left(
        encode(
            sha256(
                concat_ws(
                    chr(31), gaps.organization, gaps.connector_id, gaps.cause, cast(cast(gaps.opened as bigint) as varchar)
                )
            ),
            'hex'
        ),
        32
    ) as incident_uid,
    gaps.first_refused,
    gaps.last_refused,
    gaps.last_good,
    gaps.relayed_again,
    gaps.sessions,
    gaps.transactions,
    gaps.refused,
    gaps.messages,
    gaps.codes,
    gaps.sender_domains,
    gaps.own_senders,
    gaps.foreign_senders,
    gaps.null_senders,
    gaps.recipient_domains,
    gaps.hit_servers,
    gaps.spared_servers,
    gaps.thumbprint,
    gaps.change['before'] as before_thumbprint,
    gaps.change['class'] as certificate_change,
    gaps.egress_ip,
    gaps.move['before'] as before_egress_ip,
    gaps.first['session_id'] as session_id,
    gaps.first['source_id'] as source_id,
    files.path,
    gaps.first['line'] as line,
    gaps.first['text'] as reply,
    gaps.ruled_out,
    remedy(gaps.cause, 'explanation', gaps.facts) as explanation,
    remedy(gaps.cause, 'fix', gaps.facts) as fix,
    remedy(gaps.cause, 'verify', gaps.facts) as verify,
    remedy(gaps.cause, 'rollback', gaps.facts) as rollback,
    remedy(gaps.cause, 'link', gaps.facts) as link,
    planned.id as planned_change_id
from gaps
left join (select source_id, min(path) as path from sources group by source_id) as files
    on gaps.first['source_id'] = files.source_id
left join (
    select
        organization,
        connector_id,
        server,
        kind,
        first_seen,
        min(planned_change_id) as id
    from planned_findings
    group by organization, connector_id, server, kind, first_seen
) as planned
    on gaps.organization = planned.organization
    and gaps.connector_id = planned.connector_id
    and gaps.server = planned.server
    and case
        when gaps.cause in ('address_moved', 'address_not_listed', 'ipv6_toward_address_connector', 'reputation')
            then planned.kind = 'egress' and gaps.move['at'] = planned.first_seen
        when
            gaps.cause in (
                'certificate_renamed', 'certificate_names_lost', 'wrong_certificate_chosen', 'certificate_not_sent',
                'no_credentials', 'unknown_credentials', 'tls_failed', 'chain_probable', 'chain_possible'
            )
            then planned.kind = 'certificate' and gaps.change['at'] = planned.first_seen
        else false
    end
