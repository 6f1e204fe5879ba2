-- What leavebridge knows, and at the same time its queue: one row of `mappings` says what should be in a calendar
-- (`wanted_rev`) and what was last written there (`applied_rev`, `applied`). Nothing else is needed to go on after a crash.

-- The one clock of all replicas: due times, leases and blocks are compared by PostgreSQL alone.
-- Tests replace this function to move time.
CREATE FUNCTION leavebridge_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';

-- One application for leave as its source knows it. A cancelled one stays as a tombstone, so that a late `updated`
-- cannot bring it back.
CREATE TABLE leaves (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text        NOT NULL,
    source      text        NOT NULL,
    external_id text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'cancelled')),
    content     jsonb,      -- the normalised leave; NULL only when nothing but a cancellation has ever arrived
    source_at   timestamptz NOT NULL, -- when it happened at the source: orders the changes of one leave
    rev         bigint      NOT NULL DEFAULT 1,
    UNIQUE (tenant, source, external_id),
    CHECK (content IS NOT NULL OR status = 'cancelled')
) WITH (fillfactor = 90);
CREATE INDEX leaves_by_external_id ON leaves (external_id);

-- One Exchange mailbox: the unit of leasing and of throttling.
CREATE TABLE mailboxes (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant         text   NOT NULL,
    address        text   NOT NULL, -- lower case; the Entra object id where no address is known
    -- The person's object id, from the source or the directory: survives a change of the address. Two addresses of one
    -- person are two rows with one id and two leases; together they may exceed Exchange's limit and are told so by a 429.
    -- What a mailbox has only one of, its automatic reply, is kept with the older row.
    entra_id       text,
    given          boolean NOT NULL DEFAULT false, -- the source named it: the directory is not asked
    proven         boolean NOT NULL DEFAULT false, -- there was a mailbox of that id: it stays the person's, though it be missing for a while
    resolved_at    timestamptz, -- when the directory was asked, whatever it said; NULL = not yet, or to be asked anew
    time_zone      text,  -- what the mailbox itself says of its owner's time, where we may read it
    working_hours  jsonb,
    settings_at    timestamptz, -- when that was last read
    missed_since   timestamptz, -- since when leave has been written without an answer
    ask_at         timestamptz, -- when to ask for it again
    lease_epoch    bigint NOT NULL DEFAULT 0, -- rises with every claim: the fence against a worker that lost its lease
    lease_until    timestamptz, -- NULL = released in good order; in the past = its holder died with calls perhaps under way
    throttled_until timestamptz, -- the latest Retry-After: a floor that nothing and nobody shortens
    blocked_until  timestamptz, -- what a person has to mend: a missing mailbox, refused access
    blocked_since  timestamptz,
    blocked_reason text,
    blocked_detail text,
    UNIQUE (tenant, address)
) WITH (fillfactor = 70);

CREATE INDEX mailboxes_to_ask ON mailboxes (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX mailboxes_of_person ON mailboxes (tenant, entra_id) WHERE entra_id IS NOT NULL;

-- Under how many addresses this mailbox is known: itself among them.
CREATE FUNCTION same_person(p_mailbox bigint) RETURNS SETOF bigint LANGUAGE sql STABLE ROWS 1 AS
$$ SELECT p_mailbox
   UNION
   SELECT o.id FROM mailboxes b JOIN mailboxes o ON o.tenant = b.tenant AND o.entra_id = b.entra_id WHERE b.id = p_mailbox $$;

-- The ids at Graph of a mailbox's further calendars, by the names under which the configuration knows them.
CREATE TABLE calendars (
    mailbox  bigint NOT NULL REFERENCES mailboxes,
    name     text   NOT NULL,
    graph_id text   NOT NULL,
    PRIMARY KEY (mailbox, name)
);

-- (leave, mailbox, calendar) -> event.
CREATE TABLE mappings (
    id              uuid        PRIMARY KEY,
    leave           bigint      NOT NULL REFERENCES leaves,
    mailbox         bigint      NOT NULL REFERENCES mailboxes,
    calendar        text        NOT NULL DEFAULT 'default',
    tenant          text        NOT NULL, -- the leave's; here because the queue is read per tenant
    wanted          boolean     NOT NULL, -- false once the leave belongs to another mailbox
    wanted_rev      bigint      NOT NULL,
    applied_rev     bigint      NOT NULL DEFAULT 0,
    state           text        NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'waiting', 'synced', 'removed', 'hidden', 'parked')),
    applied         jsonb,      -- the event as last written, so that a PATCH sends only what changed
    event_id        text,       -- immutable id; case-sensitive
    ical_uid        text,
    change_key      text,
    web_link        text,
    incarnation     integer     NOT NULL DEFAULT 0, -- rises after a deletion: a new event needs a new transactionId
    unsure          boolean     NOT NULL DEFAULT false, -- a call's outcome is unknown: trust neither `applied` nor a missing `event_id`
    doubt_since     timestamptz, -- since when: a request that got no answer may still be carried out a little later
    doubt_rev       bigint,     -- the oldest revision that such a request may still write; 0 = any
    again           boolean     NOT NULL DEFAULT false, -- what it depends on changed while it was being delivered: plan it once more
    attempts        integer     NOT NULL DEFAULT 0, -- since the last success or change
    failing_since   timestamptz, -- since when it fails by itself, not because of its mailbox or tenant
    next_attempt_at timestamptz NOT NULL,
    reason          text,
    detail          text,
    updated_at      timestamptz NOT NULL,
    UNIQUE (leave, mailbox, calendar),
    CHECK (applied_rev <= wanted_rev),
    CHECK (state NOT IN ('synced', 'removed', 'hidden') OR applied_rev = wanted_rev)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02);

-- The queue: small however much history there is. First how a claim finds mailboxes, then how a mailbox finds its work.
CREATE INDEX mappings_due_by_tenant ON mappings (tenant, next_attempt_at) WHERE state IN ('pending', 'waiting');
CREATE INDEX mappings_due_by_mailbox ON mappings (mailbox, next_attempt_at) WHERE state IN ('pending', 'waiting');
-- The operator's lists: newest change first, by mailbox, and what is parked.
CREATE INDEX mappings_newest ON mappings (updated_at DESC, id DESC);
CREATE INDEX mappings_of_mailbox ON mappings (mailbox);
CREATE INDEX mappings_parked ON mappings (tenant) WHERE state = 'parked';

-- Deliveries seen, so that the same one posted twice has one effect.
CREATE TABLE received (
    client      text        NOT NULL,
    delivery_id text        NOT NULL,
    body_hash   bytea       NOT NULL,
    leave       bigint, -- no foreign key, here and in the timeline: each row would lock its leave's, and nothing deletes leaves
    at          timestamptz NOT NULL,
    PRIMARY KEY (client, delivery_id)
);
CREATE INDEX received_at ON received (at);

-- The history of a leave; rows are only ever added.
CREATE TABLE timeline (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    leave   bigint      NOT NULL,
    mapping uuid,
    at      timestamptz NOT NULL,
    kind    text        NOT NULL CHECK (kind IN ('received', 'changed', 'delivered', 'failed', 'parked', 'retried', 'resynced')),
    detail  jsonb       NOT NULL
);
CREATE INDEX timeline_of_leave ON timeline (leave, id);

-- Whole tenants that cannot be served at the moment (credentials), and when one last could.
CREATE TABLE tenants_state (
    tenant         text PRIMARY KEY,
    blocked_until  timestamptz,
    blocked_since  timestamptz,
    blocked_reason text,
    blocked_detail text,
    last_success   timestamptz,
    policy         text -- by which policy its leave was last written
);

-- The last day of a leave, as text that orders as dates do.
CREATE FUNCTION leave_until(content jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT coalesce(content #>> '{span,days,last}', left(content #>> '{span,hours,until}', 10)) $$;

-- Whether a leave is not over yet, wherever it is: its last day may have hours to go west of here when it is over in UTC.
CREATE FUNCTION is_ahead(content jsonb) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT leave_until(content) >= to_char(leavebridge_now() - interval '1 day', 'YYYY-MM-DD') $$;

-- A mapping as people see it: a block of its mailbox or tenant that ends later than its own wait shows as `waiting` with
-- the block's reason.
CREATE VIEW mapping_view AS
SELECT m.id,
       m.leave,
       m.tenant,
       l.source,
       l.external_id AS leave_id,
       b.address     AS mailbox,
       m.calendar,
       CASE WHEN block.until IS NOT NULL THEN 'waiting' ELSE m.state END AS state,
       CASE WHEN block.until IS NOT NULL THEN block.reason ELSE m.reason END AS reason,
       CASE WHEN block.until IS NOT NULL THEN block.detail ELSE m.detail END AS detail,
       CASE WHEN m.state IN ('pending', 'waiting') THEN greatest(m.next_attempt_at, block.until) END AS next_attempt_at,
       m.event_id,
       m.web_link,
       m.attempts,
       m.updated_at,
       m.state       AS own_state
FROM mappings m
JOIN leaves l ON l.id = m.leave
JOIN mailboxes b ON b.id = m.mailbox
LEFT JOIN tenants_state t ON t.tenant = m.tenant
LEFT JOIN LATERAL (
    SELECT blocks.until, blocks.reason, blocks.detail
    FROM (VALUES (t.blocked_until, t.blocked_reason, t.blocked_detail),
                 (b.blocked_until, b.blocked_reason, b.blocked_detail),
                 (b.throttled_until, 'throttled', NULL)) AS blocks (until, reason, detail)
    WHERE m.state IN ('pending', 'waiting') AND blocks.until > leavebridge_now()
      AND (m.state = 'pending' OR blocks.until > m.next_attempt_at)
    ORDER BY blocks.until DESC
    LIMIT 1
) AS block ON true;
