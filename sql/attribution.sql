-- One span of a certificate or an egress address on a connector and server, and what is known of its attribution.
-- verdict: `proved_refused`, `proved_attributed` (mail outside the tenant was refused, or accepted, last);
-- `expected_match`, `expected_mismatch` (by the inbound connectors that counted at the end of the span; certificate
-- or address suffices); `not_observable` with the reason in `rule`. by: what matches, `certificate` or `address`.
-- `inferred`: the verdict rests on a rule that Microsoft does not state (a match by alternative name or by a
-- wildcard over several labels), or on an import younger than the span.
-- Grain: organization, connector_id, server, kind, value, first_seen.
-- Reads: spans, connectors, expected_connectors, expected_matches, proved_relays.
with places as (
    select
        spans.organization,
        spans.connector_id,
        connectors.role,
        spans.server,
        spans.kind,
        spans.value,
        spans.first_seen,
        spans.last_seen,
        spans.sessions,
        spans.accepted,
        spans.refused,
        spans.last_refused,
        spans.last_seen + interval '1 hour' + interval '1 microsecond' as before
    from spans
    inner join connectors
        on spans.organization = connectors.organization and spans.connector_id = connectors.connector_id
    where spans.kind in ('certificate', 'egress') and connectors.role in ('cloud_hybrid', 'cloud_relay')
),

-- The last proof up to an hour after each span.
proofs as (
    select
        organization,
        connector_id,
        server,
        near['at'] as before,
        near['last'] as last_proved
    from (
        select organization, connector_id, server, unnest(around(asked, proved)) as near
        from (
            select organization, connector_id, server, before as asked, null as proved
            from places
            union all
            select organization, connector_id, server, null as asked, at as proved
            from proved_relays
        )
        group by organization, connector_id, server
    )
),

-- Of several inbound connectors one match suffices; the best result counts.
own as (
    select
        places.organization,
        places.connector_id,
        places.server,
        places.kind,
        places.value,
        places.first_seen,
        first_value(
            named_struct(
                'result', matches.result, 'rule', matches.rule, 'name', matches.name,
                'assumed', coalesce(places.last_seen < matches.assumed_before, false)
            )
            order by
                case
                    when matches.result in ('exact', 'listed') then 0
                    when matches.result = 'wildcard' then 1
                    when matches.result = 'unknown' then 2
                    else 3
                end,
                matches.name
        ) as best
    from places
    inner join expected_matches as matches
        on places.organization = matches.organization
        and places.kind = matches.kind
        and places.value = matches.value
        and matches.usable
        and (matches.counts_from is null or matches.counts_from <= places.last_seen)
        and (matches.counts_to is null or matches.counts_to > places.last_seen)
    group by places.organization, places.connector_id, places.server, places.kind, places.value, places.first_seen
),

-- What the other kind showed meanwhile: a certificate that does not match may travel from a listed address.
other as (
    select
        places.organization,
        places.connector_id,
        places.server,
        places.kind,
        places.value,
        places.first_seen,
        bool_and(coalesce(own.best['result'] in ('exact', 'wildcard', 'listed'), false)) as all_match
    from places
    inner join places as beside
        on places.organization = beside.organization
        and places.connector_id = beside.connector_id
        and places.server = beside.server
        and places.kind <> beside.kind
        and beside.first_seen <= places.last_seen
        and beside.last_seen >= places.first_seen
    left join own
        on beside.organization = own.organization
        and beside.connector_id = own.connector_id
        and beside.server = own.server
        and beside.kind = own.kind
        and beside.value = own.value
        and beside.first_seen = own.first_seen
    group by places.organization, places.connector_id, places.server, places.kind, places.value, places.first_seen
),

imported as (
    select organization, bool_or(usable) as usable
    from expected_connectors
    group by organization
),

judged as (
    select
        places.organization,
        places.connector_id,
        places.role,
        places.server,
        places.kind,
        places.value,
        places.first_seen,
        places.last_seen,
        places.sessions,
        places.accepted,
        places.refused,
        proofs.last_proved,
        own.best,
        coalesce(other.all_match, false) as other_matches,
        imported.usable,
        case
            when places.refused > 0 and coalesce(places.last_refused > proofs.last_proved, true) then 'proved_refused'
            when proofs.last_proved is not null then 'proved_attributed'
            when imported.organization is null then 'not_observable'
            when own.best['result'] in ('exact', 'wildcard', 'listed') or other.all_match then 'expected_match'
            when own.best['result'] = 'unknown' then 'not_observable'
            else 'expected_mismatch'
        end as verdict
    from places
    left join imported on places.organization = imported.organization
    left join proofs
        on places.organization = proofs.organization
        and places.connector_id = proofs.connector_id
        and places.server = proofs.server
        and places.before = proofs.before
        and places.first_seen <= proofs.last_proved
    left join own
        on places.organization = own.organization
        and places.connector_id = own.connector_id
        and places.server = own.server
        and places.kind = own.kind
        and places.value = own.value
        and places.first_seen = own.first_seen
    left join other
        on places.organization = other.organization
        and places.connector_id = other.connector_id
        and places.server = other.server
        and places.kind = other.kind
        and places.value = other.value
        and places.first_seen = other.first_seen
)

select
    organization,
    connector_id,
    role,
    server,
    kind,
    value,
    first_seen,
    last_seen,
    sessions,
    accepted,
    refused,
    last_proved,
    verdict,
    case
        when verdict <> 'expected_match' then null
        when best['result'] in ('exact', 'wildcard', 'listed')
            then case when kind = 'certificate' then 'certificate' else 'address' end
        else case when kind = 'certificate' then 'address' else 'certificate' end
    end as by,
    case verdict
        when 'proved_refused' then 'recipients outside the tenant were refused for want of attribution'
        when 'proved_attributed' then 'recipients outside the tenant were accepted'
        when 'expected_match' then concat(
            coalesce(best['rule'], 'the other side'), ' of inbound connector ',
            coalesce(best['name'], ''), ': ', coalesce(best['result'], 'none'),
            case when best['result'] in ('exact', 'wildcard', 'listed') then '' else '; matched by the other side' end
        )
        when 'expected_mismatch' then case
            when not usable then 'no inbound connector is enabled and of type OnPremises'
            else 'neither certificate nor address is one of an inbound connector'
        end
        else case
            when usable is null then 'no inbound connector imported and no mail outside the tenant seen'
            else 'the certificate''s names or the connector''s pattern leave it open'
        end
    end as rule,
    case
        when verdict in ('proved_refused', 'proved_attributed') then false
        else coalesce(best['assumed'], false) or coalesce(best['rule'] = 'subject alternative name', false)
            or coalesce(best['result'] = 'unknown', false)
    end as inferred
from judged
union all
select
    spans.organization,
    spans.connector_id,
    connectors.role,
    spans.server,
    spans.kind,
    spans.value,
    spans.first_seen,
    spans.last_seen,
    spans.sessions,
    spans.accepted,
    spans.refused,
    null as last_proved,
    'not_observable' as verdict,
    null as by,
    case connectors.role
        when 'smart_host' then 'Exchange Online sees the certificate and address of the smart host'
        when 'internet' then 'mail to other tenants is not attributed to this one'
        else 'this connector does not reach Exchange Online itself'
    end as rule,
    false as inferred
from spans
inner join connectors
    on spans.organization = connectors.organization and spans.connector_id = connectors.connector_id
where spans.kind = 'certificate' and connectors.role not in ('cloud_hybrid', 'cloud_relay')
