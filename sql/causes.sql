-- One incident and the name of its cause, never null: `unknown` where what is at hand tells none.
-- confidence: `high` where an answer, a proof or the expectation names it, `medium` where a change here coincides with
-- the first refusal, `low` where it is what remains. The order of the cases is the order in which a transport
-- engineer rules them out: what the reply says, who is hit and who passes, how the session was secured, what the
-- tenant expects, what changed here, what changed there.
-- Grain: incident. Reads: incidents, incident_evidence.
with weighed as (
    select
        incidents.incident,
        incidents.organization,
        incidents.connector_id,
        incidents.server,
        incidents.family,
        incidents.first_refused,
        evidence.change,
        evidence.move,
        -- An export without a connector that could be used is contradicted by whoever still passes.
        evidence.imported and (evidence.usable or evidence.passed_meanwhile = 0 and evidence.spared_servers is null) as imported,
        evidence.usable,
        evidence.assumed,
        evidence.matches_disabled,
        evidence.matches_partner,
        evidence.matching_tenants,
        evidence.certificate_matches,
        evidence.certificate_unknown,
        evidence.address_matches,
        evidence.by_certificate,
        evidence.by_address,
        evidence.without_tls,
        evidence.with_tls,
        evidence.without_certificate,
        evidence.stripped,
        evidence.absent,
        evidence.tls_failure,
        evidence.intercepted_by,
        evidence.newer,
        evidence.siblings_moved_on,
        evidence.servers,
        evidence.thumbprint,
        evidence.egress_ip,
        strpos(coalesce(evidence.egress_ip, ''), ':') > 0 as over_ipv6,
        coalesce(dn_equal(evidence.subject, evidence.issuer), false) as self_signed,
        coalesce(evidence.not_after < incidents.first_refused, false) as expired,
        coalesce(evidence.not_before < evidence.change['at'] - interval '45 days', false) as old_certificate,
        coalesce(
            not public_authority(evidence.issuer) and public_authority(evidence.before_issuer), false
        ) as internal_certificate,
        evidence.domains_imported
        and cardinality(evidence.own_senders) = 0
        and cardinality(incidents.sender_domains) > 0 as foreign_senders,
        evidence.hit_together >= evidence.servers as all_hit,
        array_to_string(incidents.codes, ' ') as codes,
        evidence.passed >= 2
        and evidence.passed_same_certificate
        and cardinality(incidents.sender_domains) > 0
        and not array_has_any(incidents.sender_domains, evidence.passed_sender_domains) as sender_decides,
        evidence.passed >= 2
        and evidence.passed_same_certificate
        and array_has_any(incidents.sender_domains, evidence.passed_sender_domains)
        and cardinality(incidents.recipient_domains) <= 2
        and not array_has_any(incidents.recipient_domains, evidence.passed_recipient_domains) as recipient_decides,
        evidence.passed >= 2
        and cardinality(incidents.egress_ips) > 0
        and cardinality(evidence.passed_egress_ips) > 0
        and not array_has_any(incidents.egress_ips, evidence.passed_egress_ips) as address_decides
    from incidents
    inner join incident_evidence as evidence on incidents.incident = evidence.incident
),

judged as (
    select
        incident,
        organization,
        connector_id,
        server,
        family,
        first_refused,
        case
            when family <> 'attribution' and family <> 'tls' then named_struct('cause', family, 'confidence', 'high')
            when tls_failure = 'NoCredentials' and with_tls = 0
                then named_struct('cause', 'no_credentials', 'confidence', 'high')
            when tls_failure = 'UnknownCredentials' and with_tls = 0
                then named_struct('cause', 'unknown_credentials', 'confidence', 'high')
            when matching_tenants > 1 then named_struct('cause', 'shared_tenant', 'confidence', 'medium')
            when sender_decides
                then named_struct(
                    'cause', 'sender_domain_not_accepted',
                    'confidence', case when codes like '%ATTR36%' then 'high' else 'medium' end
                )
            when recipient_decides then named_struct('cause', 'recipient_side', 'confidence', 'medium')
            when stripped > 0 and without_tls > 0 then named_struct('cause', 'tls_stripped', 'confidence', 'high')
            when intercepted_by is not null then named_struct('cause', 'tls_intercepted', 'confidence', 'high')
            when expired and newer is not null
                then named_struct('cause', 'newer_certificate_not_sent', 'confidence', 'high')
            when expired then named_struct('cause', 'certificate_expired', 'confidence', 'high')
            when (without_tls > 0 and with_tls = 0 or family = 'tls') and tls_failure is not null
                then named_struct('cause', 'tls_failed', 'confidence', 'high')
            when without_tls > 0 and with_tls = 0 and absent > 0
                then named_struct('cause', 'tls_stripped', 'confidence', 'medium')
            when without_certificate > 0 and not address_matches
                then named_struct('cause', 'certificate_not_sent', 'confidence', 'high')
            when matches_partner and not certificate_matches and not address_matches
                then named_struct('cause', 'connector_partner', 'confidence', 'high')
            when matches_disabled and not certificate_matches and not address_matches
                then named_struct('cause', 'connector_disabled', 'confidence', 'high')
            when imported and not usable then named_struct('cause', 'connector_missing', 'confidence', 'high')
            when codes like '%ATTR36%' then named_struct('cause', 'sender_domain_not_accepted', 'confidence', 'high')
            when codes like '%ATTR35%' and change is null and move is null
                then named_struct('cause', 'wrong_region', 'confidence', 'medium')
            when over_ipv6 and not certificate_matches and (by_address or not imported and move is not null)
                then named_struct(
                    'cause', 'ipv6_toward_address_connector',
                    'confidence', case when by_address then 'high' else 'medium' end
                )
            when foreign_senders and (certificate_matches or address_matches)
                then named_struct('cause', 'sender_domain_not_accepted', 'confidence', 'medium')
            when siblings_moved_on > 0 and change is null and not certificate_matches and not (all_hit and servers > 1)
                then named_struct('cause', 'partial_rollout', 'confidence', case when imported then 'high' else 'medium' end)
            when newer is not null and not certificate_matches
                then named_struct('cause', 'newer_certificate_not_sent', 'confidence', 'high')
            when all_hit and servers > 1 and change is null and move is null and not over_ipv6
                then named_struct('cause', 'cloud_side_changed', 'confidence', 'medium')
            when change is not null and not certificate_matches and (change['class'] = 'reverted' or self_signed or old_certificate or internal_certificate)
                then named_struct(
                    'cause', 'wrong_certificate_chosen',
                    'confidence', case when by_certificate and not assumed then 'high' else 'medium' end
                )
            when change is not null and not certificate_matches and change['class'] in ('renamed', 'names_lost')
                then named_struct(
                    'cause', concat('certificate_', change['class']),
                    'confidence', case when by_certificate and not assumed then 'high' else 'medium' end
                )
            when (move is not null or address_decides) and not address_matches and not certificate_matches
                then named_struct(
                    'cause', case when move is not null then 'address_moved' else 'address_not_listed' end,
                    'confidence', case when by_address and not assumed then 'high' else 'medium' end
                )
            when codes like '%454 4.7.0%'
                then named_struct(
                    'cause', case when change is null then 'chain_possible' else 'chain_probable' end,
                    'confidence', 'medium'
                )
            when change is not null and change['class'] in ('reissued', 'renewed') and not (imported and not certificate_matches)
                then named_struct('cause', 'chain_possible', 'confidence', case when all_hit and servers > 1 then 'low' else 'medium' end)
            when all_hit and change is null and move is null and (certificate_matches or address_matches or not imported)
                then named_struct('cause', 'cloud_side_changed', 'confidence', case when servers > 1 then 'medium' else 'low' end)
            when by_certificate and thumbprint is not null and not certificate_matches and not certificate_unknown
                then named_struct('cause', 'wrong_certificate_chosen', 'confidence', 'medium')
            when by_address and egress_ip is not null and not address_matches
                then named_struct('cause', 'address_not_listed', 'confidence', 'medium')
            when change is not null and change['class'] = 'flapping'
                then named_struct('cause', 'wrong_certificate_chosen', 'confidence', 'medium')
            when certificate_matches or address_matches then named_struct('cause', 'chain_possible', 'confidence', 'low')
            else named_struct('cause', 'unknown', 'confidence', 'low')
        end as verdict
    from weighed
)

-- One type of text whatever the branch: unions of views that build on this one need it.
select
    incident,
    organization,
    connector_id,
    server,
    family,
    first_refused,
    arrow_cast(verdict['cause'], 'Utf8') as cause,
    arrow_cast(verdict['confidence'], 'Utf8') as confidence
from judged
