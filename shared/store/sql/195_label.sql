-- Ground truth as it was given later, one row a label; `calibration` has what each of them says of the decision.
CREATE OR REPLACE MACRO label(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, coalesce(body.attempt, 0) AS attempt, body.good,
    coalesce(body.source, 'person') AS source, coalesce(body."by", '') AS "by", coalesce(body.note.text, '') AS note
FROM told(as_of := as_of)
WHERE type = 'task.labelled';
CREATE OR REPLACE VIEW label AS FROM label();
