-- What went wrong: messages that could not be read or dealt with, degraded services, agents that failed, lost runs.
CREATE OR REPLACE MACRO error(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, service, type,
    CASE type
        WHEN 'message.rejected' THEN body.subject
        WHEN 'message.dead_lettered' THEN body.consumer
        WHEN 'service.degraded' THEN concat(body.service, ': ', body.lacking)
        WHEN 'agent.exited' THEN body.ending
        ELSE type
    END AS what,
    CASE type WHEN 'agent.exited' THEN coalesce(body.detail, '')
        ELSE coalesce(body.reason, '') END AS reason
FROM told(as_of := as_of)
WHERE (type IN (
        'message.rejected', 'message.dead_lettered', 'service.degraded', 'attempt.interrupted', 'branch.refused',
        'agent.exited'
    )) IS TRUE AND CASE type WHEN 'agent.exited' THEN body.ending <> 'completed' ELSE true END;
CREATE OR REPLACE VIEW error AS FROM error();
