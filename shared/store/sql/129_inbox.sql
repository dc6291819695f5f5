-- What waits for a person, in any scope: one row a thing that waits, the most severe first, and of those the oldest.
CREATE OR REPLACE MACRO inbox(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT id, project, task, kind, name, severity, since, reasons, question, attempt, text, repo, position
FROM wait_whole(as_of) WHERE until IS NULL
ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, position;
CREATE OR REPLACE VIEW inbox AS FROM inbox();
