-- One certificate or egress address that a connector toward Exchange Online showed, held against one inbound
-- connector of the tenant. result: `exact` or `wildcard` (certificate), `listed` (address), `unknown` (a wildcard
-- over several labels, `<I>issuer<S>subject`, a certificate whose names no log or import spells out), `none`.
-- rule: which name decided, the common name or another one (Exchange Online surely looks at the first).
-- Connectors that do not ask for the kind have no row. Grain: organization, kind, value, tenant, guid, counts_from.
-- Reads: spans, connectors, certificate_facts, expected_connectors.
with shown as (
    select distinct
        spans.organization,
        spans.kind,
        spans.value
    from spans
    inner join connectors
        on spans.organization = connectors.organization and spans.connector_id = connectors.connector_id
    where spans.kind in ('certificate', 'egress') and connectors.role in ('cloud_hybrid', 'cloud_relay')
),

held as (
    select
        shown.organization,
        shown.kind,
        shown.value,
        expected.tenant,
        expected.guid,
        expected.name,
        expected.usable,
        expected.counts_from,
        expected.counts_to,
        expected.assumed_before,
        case
            when shown.kind = 'egress'
                then case when ip_in(shown.value, expected.sender_ip_addresses) then 'listed' else 'none' end
            when shown.value = 'none' then 'none'
            when facts.names_folded is null and facts.subject is null then 'unknown'
            else coalesce(
                tls_sender_name_matches(
                    expected.tls_sender_certificate_name,
                    array_append(facts.names_folded, lower(coalesce(dn_attribute(facts.subject, 'CN'), '')))
                ),
                'none'
            )
        end as result,
        case
            when shown.kind = 'certificate'
                then coalesce(
                    tls_sender_name_matches(expected.tls_sender_certificate_name, dn_attribute(facts.subject, 'CN')),
                    'none'
                )
        end as common_name_result
    from shown
    inner join expected_connectors as expected
        on shown.organization = expected.organization
        and case
            when shown.kind = 'certificate' then expected.tls_sender_certificate_name is not null
            else cardinality(expected.sender_ip_addresses) > 0
        end
    left join certificate_facts as facts on shown.kind = 'certificate' and shown.value = facts.thumbprint
)

select
    organization,
    kind,
    value,
    tenant,
    guid,
    name,
    usable,
    counts_from,
    counts_to,
    assumed_before,
    result,
    case
        when kind = 'egress' then 'address'
        when result in ('exact', 'wildcard') and common_name_result <> result then 'subject alternative name'
        when result in ('exact', 'wildcard') then 'common name'
        else 'certificate name'
    end as rule
from held
