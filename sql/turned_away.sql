-- One mail transaction that Exchange Online turned away, noise left out: want of attribution always counts, other
-- reasons (see `failed_mail`) from the first hour on in which there are as many as open an incident, and they are a
-- fifth of the hour's recipients or more (both are settings). What is the recipients' own affair does not count.
-- Grain: organization, server, service, session_id, ordinal. Reads: failed_mail, observed.
with hourly as (
    select
        organization,
        connector_id,
        role,
        server,
        service,
        session_id,
        ordinal,
        at,
        source_id,
        line,
        message_id,
        sender_domain,
        refused,
        refused_domains,
        family,
        reply_code,
        enhanced_code,
        attr_code,
        reply_text,
        thumbprint,
        egress_ip,
        date_trunc('hour', at) as hour,
        count(at) over of_hour as failures,
        sum(refused) over of_hour as failed
    from failed_mail
    where family not in ('tls', 'recipient_side')
    window of_hour as (partition by organization, connector_id, server, family, date_trunc('hour', at))
),

relayed as (
    select
        organization,
        connector_id,
        server,
        hour,
        sum(accepted) as accepted
    from observed
    where kind = 'route'
    group by organization, connector_id, server, hour
),

weighed as (
    select
        hourly.organization,
        hourly.connector_id,
        hourly.role,
        hourly.server,
        hourly.service,
        hourly.session_id,
        hourly.ordinal,
        hourly.at,
        hourly.source_id,
        hourly.line,
        hourly.message_id,
        hourly.sender_domain,
        hourly.refused,
        hourly.refused_domains,
        hourly.family,
        hourly.reply_code,
        hourly.enhanced_code,
        hourly.attr_code,
        hourly.reply_text,
        hourly.thumbprint,
        hourly.egress_ip,
        hourly.hour,
        min(
            case
                when
                    hourly.family = 'attribution'
                    or hourly.failures >= setting('relaydrift.incident_transactions')
                    and 100 * hourly.failed
                    >= setting('relaydrift.incident_percent') * (hourly.failed + coalesce(relayed.accepted, 0))
                    then hourly.hour
            end
        ) over (partition by hourly.organization, hourly.connector_id, hourly.server, hourly.family) as since
    from hourly
    left join relayed
        on hourly.organization = relayed.organization
        and hourly.connector_id = relayed.connector_id
        and hourly.server = relayed.server
        and hourly.hour = relayed.hour
)

select
    organization,
    connector_id,
    role,
    server,
    service,
    session_id,
    ordinal,
    at,
    hour,
    source_id,
    line,
    message_id,
    sender_domain,
    refused,
    refused_domains,
    family,
    reply_code,
    enhanced_code,
    attr_code,
    reply_text,
    thumbprint,
    egress_ip
from weighed
where hour >= since
