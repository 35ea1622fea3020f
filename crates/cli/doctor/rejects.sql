-- Lines that could not be read. Grain: organization, server, service, reason. Reads: rejects, sources.
select
    rejects.organization,
    rejects.server,
    rejects.service,
    rejects.reason,
    count(*) as lines,
    max(paths.path) as path,
    min(rejects.line) as line
from rejects
left join (
    select
        source_id,
        max(path) as path
    from sources
    group by source_id
) as paths on rejects.source_id = paths.source_id
group by rejects.organization, rejects.server, rejects.service, rejects.reason
order by lines desc, rejects.organization, rejects.server, rejects.service, rejects.reason
