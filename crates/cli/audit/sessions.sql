-- Sessions, and their rows. Grain: one row. Reads: sessions.
select
    count(*) as sessions,
    coalesce(sum(rows), 0) as rows
from sessions
