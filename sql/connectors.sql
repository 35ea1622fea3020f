-- One send connector and its role, told by whom it reached and for which recipient domains (never by its name).
-- Peers that are a proxy or unknown count only where nothing else was reached. All peers Exchange Online:
-- `cloud_hybrid` where every recipient domain is under onmicrosoft.com, else `cloud_relay`. Exchange Online and
-- others: `internet`. An Edge server: `edge_sync`. Other hosts: `smart_host` up to three of them, `internet`
-- above. A peer whose greeting was masked on the way tells nothing where Exchange Online was reached otherwise.
-- Only Exchange servers of the organization: `intra_org`. Only a proxy: `proxy`. Nothing: `unknown`.
-- Grain: organization, connector_id. Reads: observed, relay_domains.
with counted as (
    select
        organization,
        connector_id,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        count(distinct server) as servers,
        sum(case when kind = 'route' then sessions else 0 end) as sessions,
        sum(case when kind = 'route' and compared like 'eop/%' then sessions else 0 end) as cloud,
        sum(case when kind = 'route' and compared = 'exchange' then sessions else 0 end) as exchange,
        sum(case when kind = 'route' and compared = 'edge' then sessions else 0 end) as edge,
        sum(case when kind = 'route' and compared like 'other/%' then sessions else 0 end) as other,
        sum(case when kind = 'starttls' and compared = 'stripped' then sessions else 0 end) as masked,
        sum(case when kind = 'route' and compared = 'proxy' then sessions else 0 end) as proxy,
        sum(case when kind = 'route' and compared = 'unknown' then sessions else 0 end) as unreached,
        count(distinct case when kind = 'route' and compared like 'other/%' then compared end) as hosts
    from observed
    where kind in ('route', 'starttls')
    group by organization, connector_id
),

reached as (
    select
        organization,
        connector_id,
        count(domain) as domains,
        sum(case when domain like '%.onmicrosoft.com' then 1 else 0 end) as tenant_domains
    from relay_domains
    group by organization, connector_id
)

select
    counted.organization,
    counted.connector_id,
    case
        when cloud > 0 and exchange + edge + greatest(other - masked, 0) > 0 then 'internet'
        when cloud > 0 and domains > 0 and domains = tenant_domains then 'cloud_hybrid'
        when cloud > 0 then 'cloud_relay'
        when edge > 0 then 'edge_sync'
        when other > 0 and hosts <= 3 then 'smart_host'
        when other > 0 then 'internet'
        when exchange > 0 then 'intra_org'
        when proxy > 0 then 'proxy'
        else 'unknown'
    end as role,
    concat(
        'sessions by peer: ',
        array_to_string(
            [
                case when cloud > 0 then concat('Exchange Online ', cloud) end,
                case when exchange > 0 then concat('Exchange ', exchange) end,
                case when edge > 0 then concat('Edge ', edge) end,
                case when other > 0 then concat('other ', other, ' in ', hosts, ' groups') end,
                case when proxy > 0 then concat('proxy ', proxy) end,
                case when unreached > 0 then concat('none reached ', unreached) end
            ],
            ', '
        ),
        case
            when domains > 0
                then concat(
                    '; recipient domains toward Exchange Online: ', domains,
                    ', of them under onmicrosoft.com: ', tenant_domains
                )
            else ''
        end
    ) as evidence,
    first_seen,
    last_seen,
    servers,
    sessions
from counted
left join reached on counted.organization = reached.organization and counted.connector_id = reached.connector_id
