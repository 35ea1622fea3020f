-- How many holes and repeats of a kind there are, by what explains them.
-- Grain: kind, explanation. Reads: audit.
select
    kind,
    explanation,
    count(*) as holes,
    sum(rows) as rows,
    count(distinct session_id) as sessions,
    count(distinct server) as servers
from audit
group by kind, explanation
order by explanation is not null, kind, explanation
