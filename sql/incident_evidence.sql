-- One incident and everything that speaks for or against a cause: what changed here just before it, how its
-- sessions were secured, what the expectation says of certificate and address, who else was hit or spared, and
-- what the accepted mail had that the refused mail had not.
-- `change`, `move`: the last change of the certificate (that none is sent any longer is one), or of the address, since the last proved relay (within a
-- day where none is known). `certificate_matches`, `address_matches`: what the inbound connectors say of them at the
-- first refusal, false without an import (`imported`). `own_senders`, `foreign_senders`: domains of senders that are the tenant's (an accepted domain
-- covers them; without an import, a name on a certificate that the connector sent) or not.
-- Grain: incident.
-- Reads: incidents, certificate_changes, lapses, verdicts, observed, certificate_facts, cloud_hours, relayed_mail, failed_mail, spans,
-- expected_connectors, expected_matches, own_domains, certificates.
with keys as (
    select
        incident,
        organization,
        connector_id,
        server,
        family,
        first_refused,
        last_refused,
        last_good,
        thumbprints,
        egress_ips,
        sender_domains,
        first['thumbprint'] as thumbprint,
        first['egress_ip'] as egress_ip,
        greatest(coalesce(last_good, first_refused - interval '24 hours'), first_refused - interval '30 days')
            - interval '1 hour' as since
    from incidents
),

changed as (
    select
        keys.incident,
        last_value(
            named_struct(
                'class', changes.class, 'before', changes.before, 'after', changes.after, 'at', changes.first_seen
            )
            order by changes.first_seen
        ) as change,
        last_value(changes.before order by changes.first_seen) as before
    from keys
    inner join (
        select organization, connector_id, server, class, before, after, first_seen
        from certificate_changes
        union all
        select organization, connector_id, server, class, before, after, first_seen
        from lapses
        where class = 'missing'
    ) as changes
        on keys.organization = changes.organization
        and keys.connector_id = changes.connector_id
        and keys.server = changes.server
        and changes.first_seen <= keys.first_refused
        and changes.first_seen >= keys.since
    group by keys.incident
),

-- Any new address counts here, however short its use: mail was refused.
moved as (
    select
        keys.incident,
        last_value(
            named_struct(
                'before', changes.before, 'after', changes.after, 'at', changes.first_seen
            )
            order by changes.first_seen
        ) as move
    from keys
    inner join verdicts as changes
        on changes.kind = 'egress'
        and changes.first_seen = changes.use_first_seen
        and not changes.in_opening_set
        and keys.organization = changes.organization
        and keys.connector_id = changes.connector_id
        and keys.server = changes.server
        and changes.first_seen <= keys.first_refused
        and changes.first_seen >= keys.since
    group by keys.incident
),

secured as (
    select
        keys.incident,
        sum(case when shown.kind = 'tls' and shown.value = 'none' then shown.refused else 0 end) as without_tls,
        sum(case when shown.kind = 'tls' and shown.value <> 'none' then shown.refused else 0 end) as with_tls,
        sum(case when shown.kind = 'certificate' and shown.value = 'none' then shown.refused else 0 end) as without_certificate,
        sum(case when shown.kind = 'starttls' and shown.value = 'stripped' then shown.sessions else 0 end) as stripped,
        sum(case when shown.kind = 'starttls' and shown.value = 'absent' then shown.sessions else 0 end) as absent,
        max(case when shown.kind = 'tls_failure' then shown.value end) as tls_failure,
        max(
            case
                when
                    shown.kind = 'peer'
                    and shown.refused > 0
                    and peer.subject is not null
                    and not coalesce(peer.microsoft, false)
                    then concat(peer.subject, ' (issued by ', coalesce(peer.issuer, 'unknown'), ')')
            end
        ) as intercepted_by
    from keys
    inner join observed as shown
        on keys.organization = shown.organization
        and keys.connector_id = shown.connector_id
        and keys.server = shown.server
        and shown.first_seen <= keys.last_refused
        and shown.last_seen >= keys.first_refused - interval '1 hour'
    left join certificate_facts as peer on shown.kind = 'peer' and shown.value = peer.thumbprint
    where shown.kind in ('tls', 'certificate', 'starttls', 'tls_failure', 'peer')
    group by keys.incident
),

-- What passed on the same server while other mail was refused.
passed as (
    select
        keys.incident,
        count(distinct concat_ws(' ', mail.service, mail.session_id, mail.ordinal)) as passed,
        count(distinct concat_ws(' ', mail.service, mail.session_id, mail.ordinal))
            filter (where mail.at > keys.first_refused) as passed_meanwhile,
        array_sort(array_agg(distinct coalesce(nullif(mail.sender_domain, ''), '<>'))) as sender_domains,
        array_sort(array_agg(distinct mail.domain)) as recipient_domains,
        bool_or((mail.thumbprint is not distinct from keys.thumbprint)) as same_certificate,
        array_sort(array_agg(distinct mail.egress_ip) filter (where mail.egress_ip is not null)) as egress_ips
    from keys
    inner join relayed_mail as mail
        on keys.organization = mail.organization
        and keys.connector_id = mail.connector_id
        and keys.server = mail.server
        and mail.at between keys.first_refused - interval '15 minutes' and keys.last_refused
    where
        not exists (
            select 1
            from failed_mail
            where
                failed_mail.organization = mail.organization
                and failed_mail.server = mail.server
                and failed_mail.service = mail.service
                and failed_mail.session_id = mail.session_id
                and failed_mail.ordinal = mail.ordinal
        )
    group by keys.incident
),

active as (
    select
        keys.incident,
        cloud_hours.server as other,
        bool_or(together.server is not null) as hit,
        bool_or(abs(cast(together.first_refused as bigint) - cast(keys.first_refused as bigint)) <= 3600000000) as together,
        coalesce(
            max(together.last_refused) >= min(together.first_refused) + setting('relaydrift.critical_minutes'), false
        ) as refused_long
    from keys
    inner join cloud_hours
        on keys.organization = cloud_hours.organization
        and keys.connector_id = cloud_hours.connector_id
        and cloud_hours.hour between date_trunc('hour', keys.first_refused) - interval '2 hours' and keys.last_refused
    left join keys as together
        on keys.organization = together.organization
        and keys.connector_id = together.connector_id
        and keys.family = together.family
        and cloud_hours.server = together.server
        and together.first_refused <= keys.last_refused
        and together.last_refused >= keys.first_refused
    group by keys.incident, cloud_hours.server
),

fleet as (
    select
        incident,
        count(other) as servers,
        sum(case when together then 1 else 0 end) as hit_together,
        bool_and(refused_long) as refused_everywhere,
        array_sort(array_agg(other) filter (where hit)) as hit_servers,
        array_sort(array_agg(other) filter (where not hit)) as spared_servers
    from active
    group by incident
),

-- Connectors of the tenants as they stood at the first refusal.
standing as (
    select
        keys.incident,
        keys.first_refused,
        expected.name,
        expected.guid,
        expected.tenant,
        expected.enabled,
        expected.connector_type,
        expected.usable,
        expected.tls_sender_certificate_name,
        expected.sender_ip_addresses,
        expected.when_changed,
        coalesce(keys.first_refused < expected.assumed_before, false) as assumed,
        certificate.result as certificate_result,
        address.result as address_result
    from keys
    inner join expected_connectors as expected
        on keys.organization = expected.organization
        and (expected.counts_from is null or expected.counts_from <= keys.first_refused)
        and (expected.counts_to is null or expected.counts_to > keys.first_refused)
    left join expected_matches as certificate
        on certificate.kind = 'certificate'
        and keys.organization = certificate.organization
        and keys.thumbprint = certificate.value
        and (expected.tenant is not distinct from certificate.tenant)
        and (expected.guid is not distinct from certificate.guid)
        and (expected.name is not distinct from certificate.name)
        and (expected.counts_from is not distinct from certificate.counts_from)
    left join expected_matches as address
        on address.kind = 'egress'
        and keys.organization = address.organization
        and keys.egress_ip = address.value
        and (expected.tenant is not distinct from address.tenant)
        and (expected.guid is not distinct from address.guid)
        and (expected.name is not distinct from address.name)
        and (expected.counts_from is not distinct from address.counts_from)
),

expected as (
    select
        incident,
        bool_or(usable) as usable,
        bool_or(assumed) as assumed,
        bool_or(not coalesce(enabled, true) and coalesce(connector_type, 'OnPremises') = 'OnPremises'
            and (certificate_result in ('exact', 'wildcard') or address_result = 'listed')) as matches_disabled,
        bool_or(connector_type = 'Partner' and (certificate_result in ('exact', 'wildcard') or address_result = 'listed'))
            as matches_partner,
        bool_or(usable and (certificate_result in ('exact', 'wildcard'))) as certificate_matches,
        bool_or(usable and certificate_result = 'unknown') as certificate_unknown,
        bool_or(usable and address_result = 'listed') as address_matches,
        bool_or(usable and tls_sender_certificate_name is not null) as by_certificate,
        bool_or(usable and cardinality(sender_ip_addresses) > 0) as by_address,
        count(distinct case when usable and (certificate_result in ('exact', 'wildcard') or address_result = 'listed') then tenant end)
            as matching_tenants,
        max(when_changed) filter (where when_changed <= first_refused) as changed_there,
        first_value(
            named_struct(
                'name', name, 'guid', guid, 'enabled', enabled, 'type', connector_type,
                'certificate_name', tls_sender_certificate_name, 'addresses', sender_ip_addresses
            )
            order by
                case
                    when certificate_result in ('exact', 'wildcard') or address_result = 'listed' then 0
                    when usable then 1
                    else 2
                end,
                case when tls_sender_certificate_name is null then 1 else 0 end,
                name
        ) as connector
    from standing
    group by incident
),

-- Names on certificates that the connector sent: they tell the organization's domains where none are imported.
named as (
    select distinct
        organization,
        connector_id,
        unnest(names) as name
    from (
        select
            spans.organization,
            spans.connector_id,
            facts.names_folded as names
        from spans
        inner join certificate_facts as facts on spans.value = facts.thumbprint
        where spans.kind = 'certificate'
    )
),

senders as (
    select
        incident,
        organization,
        connector_id,
        unnest(sender_domains) as domain
    from keys
),

known_senders as (
    select distinct
        senders.incident,
        senders.domain
    from senders
    inner join own_domains as own
        on senders.organization = own.organization
        and (
            senders.domain = own.domain
            or own.with_subdomains and ends_with(senders.domain, concat('.', own.domain))
        )
    union
    select
        senders.incident,
        senders.domain
    from senders
    inner join named
        on senders.organization = named.organization
        and senders.connector_id = named.connector_id
        and (senders.domain = named.name or ends_with(named.name, concat('.', senders.domain)))
    where senders.organization not in (select organization from own_domains)
),

classed as (
    select
        senders.incident,
        array_sort(array_agg(senders.domain) filter (where known.domain is not null)) as own,
        array_sort(array_agg(senders.domain) filter (where known.domain is null)) as stranger
    from senders
    left join known_senders as known on senders.incident = known.incident and senders.domain = known.domain
    where senders.domain <> '<>'
    group by senders.incident
),

-- Siblings that gave up the very certificate that is refused here.
rolled as (
    select
        keys.incident,
        count(distinct changes.server) as siblings,
        last_value(changes.after order by changes.first_seen, changes.server) as certificate
    from keys
    inner join certificate_changes as changes
        on keys.organization = changes.organization
        and keys.connector_id = changes.connector_id
        and keys.server <> changes.server
        and keys.thumbprint = changes.before
        and changes.first_seen between keys.first_refused - interval '60 days' and keys.last_refused
    group by keys.incident
),

-- Certificates that the server has, by import, which are newer than the one it sends and match where that does not.
held as (
    select
        keys.incident,
        first_value(
            named_struct('thumbprint', certificates.thumbprint, 'subject', certificates.subject, 'not_before', certificates.not_before)
            order by certificates.not_before desc, certificates.thumbprint
        ) as newer
    from keys
    inner join certificates
        on keys.organization = certificates.organization
        and lower(keys.server) = lower(certificates.server)
        and not array_has(keys.thumbprints, certificates.thumbprint)
        and certificates.not_before <= keys.last_refused
        and certificates.not_after > keys.first_refused
        and not coalesce(certificates.self_signed, false)
        and coalesce(certificates.has_private_key, true)
    inner join certificate_facts as sent on keys.thumbprint = sent.thumbprint
    inner join expected_connectors
        on keys.organization = expected_connectors.organization
        and expected_connectors.usable
        and (expected_connectors.counts_from is null or expected_connectors.counts_from <= keys.first_refused)
        and (expected_connectors.counts_to is null or expected_connectors.counts_to > keys.first_refused)
        and tls_sender_name_matches(expected_connectors.tls_sender_certificate_name, certificates.names) in ('exact', 'wildcard')
    where sent.not_before is null or certificates.not_before > sent.not_before
    group by keys.incident
)

select
    keys.incident,
    keys.organization,
    keys.connector_id,
    keys.server,
    keys.family,
    keys.first_refused,
    keys.thumbprint,
    keys.egress_ip,
    facts.subject,
    facts.issuer,
    facts.not_before,
    facts.not_after,
    facts.names,
    before.issuer as before_issuer,
    coalesce(classed.own, []) as own_senders,
    coalesce(classed.stranger, []) as foreign_senders,
    accepting.organization is not null as domains_imported,
    changed.change,
    moved.move,
    coalesce(secured.without_tls, 0) as without_tls,
    coalesce(secured.with_tls, 0) as with_tls,
    coalesce(secured.without_certificate, 0) as without_certificate,
    coalesce(secured.stripped, 0) as stripped,
    coalesce(secured.absent, 0) as absent,
    secured.tls_failure,
    secured.intercepted_by,
    coalesce(passed.passed, 0) as passed,
    coalesce(passed.passed_meanwhile, 0) as passed_meanwhile,
    coalesce(passed.sender_domains, []) as passed_sender_domains,
    coalesce(passed.recipient_domains, []) as passed_recipient_domains,
    coalesce(passed.same_certificate, false) as passed_same_certificate,
    coalesce(passed.egress_ips, []) as passed_egress_ips,
    coalesce(rolled.siblings, 0) as siblings_moved_on,
    rolled.certificate as siblings_certificate,
    coalesce(fleet.servers, 1) as servers,
    coalesce(fleet.hit_together, 1) as hit_together,
    coalesce(fleet.refused_everywhere, false) as refused_everywhere,
    fleet.hit_servers,
    fleet.spared_servers,
    expected.incident is not null as imported,
    coalesce(expected.usable, false) as usable,
    coalesce(expected.assumed, false) as assumed,
    coalesce(expected.matches_disabled, false) as matches_disabled,
    coalesce(expected.matches_partner, false) as matches_partner,
    coalesce(expected.certificate_matches, false) as certificate_matches,
    coalesce(expected.certificate_unknown, false) as certificate_unknown,
    coalesce(expected.address_matches, false) as address_matches,
    coalesce(expected.by_certificate, false) as by_certificate,
    coalesce(expected.by_address, false) as by_address,
    coalesce(expected.matching_tenants, 0) as matching_tenants,
    expected.changed_there,
    expected.connector as inbound,
    held.newer
from keys
left join certificate_facts as facts on keys.thumbprint = facts.thumbprint
left join changed on keys.incident = changed.incident
left join certificate_facts as before on changed.before = before.thumbprint
left join moved on keys.incident = moved.incident
left join secured on keys.incident = secured.incident
left join passed on keys.incident = passed.incident
left join fleet on keys.incident = fleet.incident
left join expected on keys.incident = expected.incident
left join held on keys.incident = held.incident
left join rolled on keys.incident = rolled.incident
left join classed on keys.incident = classed.incident
left join (select distinct organization from own_domains) as accepting on keys.organization = accepting.organization
