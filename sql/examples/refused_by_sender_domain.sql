-- Whose mail was refused?
-- For the administrator: where only some sender domains are refused, certificate and address are not the cause.
select
    transactions.connector_id,
    coalesce(transactions.sender_domain, '<>') as sender_domain,
    sum(transactions.refused) as refused,
    sum(transactions.accepted) as accepted
from transactions
inner join connectors
    on
        transactions.organization = connectors.organization
        and transactions.connector_id = connectors.connector_id
where connectors.role in ('cloud_relay', 'cloud_hybrid')
group by 1, 2
having sum(transactions.refused) > 0
order by refused desc, sender_domain;
