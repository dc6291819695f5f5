-- The same, under the name by which it is asked for as of a position: FROM task_status(as_of := 120).
CREATE OR REPLACE MACRO task_status(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
FROM task(as_of := as_of);
CREATE OR REPLACE VIEW task_status AS FROM task_status();
