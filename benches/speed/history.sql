-- Three years of settled leave, copied from PATTERN-0, which the service has taken in and delivered.
CREATE TEMPORARY TABLE pattern AS
SELECT l.tenant, l.source, l.content, m.calendar, m.applied, m.event_id, m.ical_uid, m.change_key, m.web_link
FROM leaves l JOIN mappings m ON m.leave = l.id WHERE l.external_id = 'PATTERN-0';

INSERT INTO mailboxes (tenant, address)
SELECT p.tenant, 'p' || n || '@contoso.com' FROM pattern p, generate_series(0, :people - 1) AS n
ON CONFLICT DO NOTHING;

CREATE TEMPORARY TABLE past AS
SELECT n, 'H-' || n AS id, 'p' || n % :people || '@contoso.com' AS address, n % 10 = 0 AS cancelled,
       now() - interval '3 years' * (1 - n / :leaves.0) - interval '1 minute' AS at, md5(n::text) AS noise
FROM generate_series(1, :leaves) AS n;

INSERT INTO leaves (tenant, source, external_id, status, content, source_at)
SELECT p.tenant, p.source, past.id, CASE WHEN cancelled THEN 'cancelled' ELSE 'approved' END,
       jsonb_set(p.content, '{staff,email}', to_jsonb(address)), at
FROM pattern p, past ORDER BY n;
ANALYZE leaves;
ANALYZE mailboxes;

-- Keys that grow with time, as the service makes them.
INSERT INTO mappings (id, leave, mailbox, calendar, tenant, wanted, wanted_rev, applied_rev, state, applied, event_id,
                      ical_uid, change_key, web_link, next_attempt_at, updated_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8'
        || substr(noise, 4, 15))::uuid,
       l.id, b.id, p.calendar, p.tenant, true, 1, 1, CASE WHEN cancelled THEN 'removed' ELSE 'synced' END,
       CASE WHEN NOT cancelled THEN p.applied END,
       CASE WHEN NOT cancelled THEN overlay(p.event_id PLACING noise FROM 20) END,
       overlay(p.ical_uid PLACING noise FROM 10), overlay(p.change_key PLACING substr(noise, 1, 8) FROM 3),
       overlay(p.web_link PLACING noise FROM 60), at, at
FROM pattern p, past
JOIN leaves l ON l.external_id = past.id
JOIN mailboxes b ON b.address = past.address
WHERE l.tenant = p.tenant AND l.source = p.source AND b.tenant = p.tenant
ORDER BY n;

INSERT INTO timeline (leave, mapping, at, kind, detail)
SELECT l.id, CASE WHEN t.mapping IS NOT NULL THEN m.id END, past.at, t.kind, t.detail
FROM past
JOIN leaves l ON l.external_id = past.id
JOIN mappings m ON m.leave = l.id
CROSS JOIN (SELECT t.* FROM timeline t JOIN leaves l ON l.id = t.leave WHERE l.external_id = 'PATTERN-0') AS t
ORDER BY past.n, t.id;

-- Delivery ids are remembered for 30 days.
INSERT INTO received (client, delivery_id, body_hash, leave, at)
SELECT 'ess', past.id, decode(noise || noise, 'hex'), l.id, past.at
FROM past JOIN leaves l ON l.external_id = past.id
WHERE past.at > now() - interval '30 days'
ORDER BY past.n;

DROP TABLE pattern, past;
