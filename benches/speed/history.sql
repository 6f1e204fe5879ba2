-- Three years of settled leave, copied from PATTERN-0, which the service has taken in and delivered.
CREATE TEMPORARY TABLE pattern AS
SELECT l.tenant, l.source, l.content, i.calendar, i.observed
FROM leaves l JOIN items i ON i.leave = l.id WHERE l.external_id = 'PATTERN-0';

INSERT INTO mailboxes (tenant, address)
SELECT p.tenant, 'p' || n || '@contoso.com' FROM pattern p, generate_series(0, :people - 1) AS n
WHERE NOT EXISTS (SELECT FROM addresses a WHERE a.address = 'p' || n || '@contoso.com');
INSERT INTO addresses (tenant, address, mailbox) SELECT tenant, address, id FROM mailboxes ON CONFLICT DO NOTHING;

CREATE TEMPORARY TABLE past AS
SELECT n, 'H-' || n AS id, 'p' || n % :people || '@contoso.com' AS address, n % 10 = 0 AS cancelled,
       now() - interval '3 years' * (1 - n / :leaves.0) - interval '1 minute' AS at, md5(n::text) AS noise
FROM generate_series(1, :leaves) AS n;

INSERT INTO leaves (tenant, source, external_id, status, content, last_day, source_at)
SELECT p.tenant, p.source, past.id, CASE WHEN cancelled THEN 'cancelled' ELSE 'approved' END,
       jsonb_set(p.content, '{staff,email}', to_jsonb(address)),
       (p.content #>> '{span,days,last}')::date, at
FROM pattern p, past ORDER BY n;
ANALYZE leaves;
ANALYZE mailboxes;

-- Keys that grow with time, as the service makes them.
INSERT INTO items (id, kind, leave, mailbox, calendar, tenant, address, state, observed, updated_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8'
        || substr(noise, 4, 15))::uuid,
       'event', l.id, b.id, p.calendar, p.tenant, past.address, CASE WHEN cancelled THEN 'removed' ELSE 'synced' END,
       CASE WHEN NOT cancelled THEN p.observed || jsonb_build_object(
           'event_id', overlay(p.observed ->> 'event_id' PLACING noise FROM 20),
           'web_link', overlay(p.observed ->> 'web_link' PLACING noise FROM 60)) END, at
FROM pattern p, past
JOIN leaves l ON l.external_id = past.id
JOIN mailboxes b ON b.address = past.address
WHERE l.tenant = p.tenant AND l.source = p.source AND b.tenant = p.tenant
ORDER BY n;

INSERT INTO timeline (leave, item, at, kind, detail)
SELECT l.id, CASE WHEN t.item IS NOT NULL THEN m.id END, past.at, t.kind, t.detail
FROM past
JOIN leaves l ON l.external_id = past.id
JOIN items m ON m.leave = l.id
CROSS JOIN (SELECT t.* FROM timeline t JOIN leaves l ON l.id = t.leave WHERE l.external_id = 'PATTERN-0') AS t
ORDER BY past.n, t.id;

-- Delivery ids are remembered for 30 days.
INSERT INTO deliveries (client, delivery_id, hash, leave, at)
SELECT 'ess', past.id, decode(noise || noise, 'hex'), l.id, past.at
FROM past JOIN leaves l ON l.external_id = past.id
WHERE past.at > now() - interval '30 days'
ORDER BY past.n;

DROP TABLE pattern, past;
