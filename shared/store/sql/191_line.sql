-- How each task stands in line: what it waits for and what decides its turn.
CREATE OR REPLACE MACRO line(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT project, task, status, priority, deadline, "after", goal, milestone,
    CASE WHEN status = 'queued' THEN waits_for ELSE '' END AS waits_for,
    CASE WHEN status = 'queued' THEN reasons ELSE [] END AS reasons, complexity, held_at, readied_at,
    submitted AS position
FROM task_whole(as_of);
CREATE OR REPLACE VIEW line AS FROM line();
