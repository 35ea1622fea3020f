-- Lines that could not be read, by reason, with the first of each.
select
    rejects.reason,
    count(*) as lines,
    first_value(files.path order by files.path, rejects.line) as path,
    first_value(rejects.line order by files.path, rejects.line) as line
from rejects
left join (select source_id, min(path) as path from sources group by source_id) as files
    on rejects.source_id = files.source_id
group by rejects.reason
order by lines desc, rejects.reason
