-- One kind of session that servers had with Exchange Online: connector, server, certificate sent and egress address;
-- and whether an inbound connector with TlsSenderCertificateName $name and SenderIPAddresses $networks (separated by
-- commas; either may be NULL) would have attributed it. Sessions that started before $since are left out.
-- attributed: `certificate` or `address` (either suffices, the certificate is looked at first), `neither`; `unknown`
-- (shown, but the rule or the names leave it open: no log and no import tells the certificate's names, only an
-- alternative name matches, a wildcard would have to cover several labels); `not_observable` (the session hides
-- what was asked for). certificate_result, address_result: the same for each alone, NULL where it was not asked for.
-- thumbprint: `none` where it is proved that no certificate was sent, NULL where the session hides it.
-- sender_refused: recipients of mail to the outside that would be refused all the same (ATTR36), because neither the
-- sender's domain nor the certificate's is one that the tenant accepts: the domain of $name where that decides, else
-- that of the common name; `*.` left out. NULL where no accepted domains are imported.
-- A hub's session through a front end counts for what the front end showed, once.
-- Grain: organization, connector_id, server, thumbprint, egress_ip.
-- Reads: sessions, transactions, front_ends, connectors, certificate_facts, own_domains, sources.
with hubs as (
    select distinct
        organization,
        session_id
    from sessions
    where array_has(flags, 'hub_half')
),

held as (
    select
        sessions.organization,
        coalesce(front_ends.connector_id, sessions.connector_id) as connector_id,
        coalesce(front_ends.server, sessions.server) as server,
        sessions.server as logged_by,
        sessions.service,
        sessions.session_id,
        sessions.start_time,
        sessions.source_id,
        sessions.line,
        sessions.messages,
        sessions.recipients,
        case
            when array_has(sessions.flags, 'hub_half') then front_ends.certificate
            when sessions.sent_thumbprint is not null then sessions.sent_thumbprint
            when
                sessions.sequence_gaps = 0
                and not array_has_any(sessions.flags, ['cut_head', 'sequence_repeated'])
                and case
                    when sessions.tls_protocol is not null then sessions.starttls_code = 220
                    else sessions.messages > 0
                end
                then 'none'
        end as thumbprint,
        case when array_has(sessions.flags, 'hub_half') then front_ends.egress else sessions.egress_ip end as egress_ip
    from sessions
    left join front_ends
        on sessions.organization = front_ends.organization
        and sessions.session_id = front_ends.hub_session_id
        and array_has(sessions.flags, 'hub_half')
    left join hubs
        on sessions.organization = hubs.organization and sessions.proxied_session_id = hubs.session_id
    where
        hubs.session_id is null
        and (sessions.peer_kind = 'eop' or array_has_any(sessions.flags, ['hub_half', 'masked']))
        and ($since is null or sessions.start_time >= arrow_cast($since, 'Timestamp(Microsecond, Some("UTC"))'))
),

senders as (
    select
        senders.organization,
        senders.domain
    from (select distinct organization, coalesce(lower(sender_domain), '') as domain from transactions) as senders
    inner join own_domains as own on senders.organization = own.organization
    group by senders.organization, senders.domain
    having
        not bool_or(
            senders.domain = own.domain or own.with_subdomains and ends_with(senders.domain, concat('.', own.domain))
        )
),

strange as (
    select
        transactions.organization,
        transactions.server,
        transactions.service,
        transactions.session_id,
        transactions.ordinal,
        transactions.connector_id,
        transactions.recipients,
        unnest(
            array_concat(
                coalesce(transactions.accepted_domains, []),
                coalesce(transactions.refused_domains, []),
                coalesce(transactions.rejected_domains, [])
            )
        ) as domain
    from transactions
    inner join senders
        on transactions.organization = senders.organization
        and coalesce(lower(transactions.sender_domain), '') = senders.domain
),

-- Mail of a sender the tenant does not accept, where at least one recipient lies outside the tenant.
strangers as (
    select
        organization,
        server,
        service,
        session_id,
        sum(recipients) as recipients
    from (
        select distinct
            strange.organization,
            strange.server,
            strange.service,
            strange.session_id,
            strange.ordinal,
            strange.recipients
        from strange
        inner join own_domains as own on strange.organization = own.organization
        group by
            strange.organization,
            strange.server,
            strange.service,
            strange.session_id,
            strange.ordinal,
            strange.recipients,
            strange.domain
        having
            not bool_or(
                strange.domain = own.domain or own.with_subdomains and ends_with(strange.domain, concat('.', own.domain))
            )
    )
    group by organization, server, service, session_id
),

counted as (
    select
        held.organization,
        held.connector_id,
        connectors.role,
        held.server,
        held.thumbprint,
        held.egress_ip,
        count(held.session_id) as sessions,
        sum(coalesce(held.messages, 0)) as transactions,
        sum(coalesce(held.recipients, 0)) as recipients,
        sum(coalesce(strangers.recipients, 0)) as strange_recipients,
        min(held.start_time) as first_seen,
        max(held.start_time) as last_seen,
        first_value(
            named_struct('session_id', held.session_id, 'source_id', held.source_id, 'line', held.line)
            order by held.start_time, held.session_id
        ) as first
    from held
    inner join connectors
        on held.organization = connectors.organization and held.connector_id = connectors.connector_id
    left join strangers
        on held.organization = strangers.organization
        and held.logged_by = strangers.server
        and held.service = strangers.service
        and held.session_id = strangers.session_id
    where
        connectors.role in ('cloud_hybrid', 'cloud_relay')
        -- A session that never got so far has nothing to attribute.
        and (held.thumbprint is not null or held.egress_ip is not null or held.messages > 0)
    group by
        held.organization,
        held.connector_id,
        connectors.role,
        held.server,
        held.thumbprint,
        held.egress_ip
),

known as (
    select
        organization,
        bool_or(
            ltrim(lower(cast($name as varchar)), '*.') = domain
            or with_subdomains and ends_with(lower(cast($name as varchar)), concat('.', domain))
        ) as name_accepted
    from own_domains
    group by organization
),

accepting as (
    select
        facts.thumbprint,
        own.organization,
        bool_or(
            ltrim(lower(dn_attribute(facts.subject, 'CN')), '*.') = own.domain
            or own.with_subdomains and ends_with(lower(dn_attribute(facts.subject, 'CN')), concat('.', own.domain))
        ) as accepted
    from certificate_facts as facts
    cross join own_domains as own
    group by facts.thumbprint, own.organization
),

compared as (
    select
        counted.organization,
        counted.connector_id,
        counted.role,
        counted.server,
        counted.thumbprint,
        facts.subject,
        facts.names,
        counted.egress_ip,
        counted.sessions,
        counted.transactions,
        counted.recipients,
        counted.strange_recipients,
        known.organization is not null as known,
        known.name_accepted,
        coalesce(accepting.accepted, false) as certificate_accepted,
        counted.first_seen,
        counted.last_seen,
        counted.first,
        case
            when cast($name as varchar) is null then null
            when counted.thumbprint is null then 'not_observable'
            when counted.thumbprint = 'none' then 'none'
            when facts.names_folded is null and facts.subject is null then 'unknown'
            else coalesce(
                tls_sender_name_matches(
                    cast($name as varchar),
                    array_append(facts.names_folded, lower(coalesce(dn_attribute(facts.subject, 'CN'), '')))
                ),
                'none'
            )
        end as any_name,
        tls_sender_name_matches(cast($name as varchar), dn_attribute(facts.subject, 'CN')) as common_name,
        case
            when cast($networks as varchar) is null then null
            when counted.egress_ip is null then 'not_observable'
            when ip_in(counted.egress_ip, string_to_array(cast($networks as varchar), ',')) then 'listed'
            else 'none'
        end as address_result
    from counted
    left join certificate_facts as facts on counted.thumbprint = facts.thumbprint
    left join known on counted.organization = known.organization
    left join accepting
        on counted.organization = accepting.organization and counted.thumbprint = accepting.thumbprint
),

judged as (
    select
        organization,
        connector_id,
        role,
        server,
        thumbprint,
        subject,
        names,
        egress_ip,
        sessions,
        transactions,
        recipients,
        strange_recipients,
        known,
        name_accepted,
        certificate_accepted,
        first_seen,
        last_seen,
        first,
        any_name,
        case
            when any_name in ('exact', 'wildcard') and common_name is distinct from any_name then
                case when common_name in ('exact', 'wildcard') then common_name else 'unknown' end
            else any_name
        end as certificate_result,
        address_result
    from compared
),

told as (
    select
        organization,
        connector_id,
        role,
        server,
        thumbprint,
        subject,
        names,
        egress_ip,
        sessions,
        transactions,
        recipients,
        strange_recipients,
        known,
        name_accepted,
        certificate_accepted,
        first_seen,
        last_seen,
        first,
        any_name,
        certificate_result,
        address_result,
        case
            when certificate_result in ('exact', 'wildcard') then 'certificate'
            when address_result = 'listed' then 'address'
            when certificate_result = 'unknown' then 'unknown'
            when 'not_observable' in (certificate_result, address_result) then 'not_observable'
            else 'neither'
        end as attributed
    from judged
)

select
    told.organization,
    told.connector_id,
    told.role,
    told.server,
    told.thumbprint,
    told.subject,
    told.names,
    told.egress_ip,
    told.attributed,
    told.certificate_result,
    told.address_result,
    told.sessions,
    told.transactions,
    told.recipients,
    case
        when not told.known then null
        when told.attributed = 'certificate' and told.name_accepted then 0
        when told.attributed <> 'certificate' and told.certificate_accepted then 0
        else told.strange_recipients
    end as sender_refused,
    case told.attributed
        when 'certificate' then concat('the common name matches: ', told.certificate_result)
        when 'address' then 'the address is listed'
        when 'unknown' then case
            when told.subject is null and told.names is null
                then 'no log and no import tells the names of this certificate'
            when told.any_name in ('exact', 'wildcard')
                then 'only an alternative name matches; Exchange Online surely looks at the common name alone'
            else 'the wildcard would have to cover several labels, which Microsoft''s page and its code see differently'
        end
        when 'not_observable' then concat_ws(
            ' and ',
            case when told.certificate_result = 'not_observable' then 'no row tells the certificate' end,
            case when told.address_result = 'not_observable' then 'no row tells the address' end
        )
        else concat_ws(
            '; ',
            case
                when told.certificate_result is null then null
                when told.thumbprint = 'none' then 'no certificate was sent'
                else 'no name of the certificate matches'
            end,
            case
                when told.address_result is null then null
                when strpos(told.egress_ip, ':') > 0 then 'an IPv6 address cannot be listed'
                else 'the address is not listed'
            end
        )
    end as why,
    told.first_seen,
    told.last_seen,
    told.first['session_id'] as session_id,
    files.path,
    told.first['line'] as line
from told
left join (select source_id, min(path) as path from sources group by source_id) as files
    on told.first['source_id'] = files.source_id
