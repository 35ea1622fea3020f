-- One send connector as it was imported last. Grain: organization, connector_id.
select
    organization,
    connector_id,
    guid
from (
    select
        organization,
        name as connector_id,
        guid,
        row_number() over (partition by organization, name order by valid_from desc, guid) as place
    from send_connectors
    where name is not null
)
where place = 1
