-- The automatic reply of each mailbox: what we wrote there, and at the same time the queue of mailboxes to look at. What
-- should be there is not stored: it follows from the mailbox's leave and the policy whenever somebody looks.
CREATE TABLE replies (
    mailbox         bigint      PRIMARY KEY REFERENCES mailboxes,
    tenant          text        NOT NULL, -- the mailbox's; here because the queue is read per tenant
    asked           bigint      NOT NULL DEFAULT 1, -- rises whenever somebody wants it looked at: a look that is under way is not enough
    state           text        NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'none', 'scheduled', 'kept', 'waiting', 'parked')),
    written         jsonb       NOT NULL DEFAULT '[]', -- by which our own setting is recognised; noted before it is sent
    before          jsonb,      -- the person's setting that it took the place of: goes back when ours goes
    doubt_since     timestamptz, -- a write's outcome is unknown since then
    leave           bigint,     -- the leave that it begins with, in whose timeline it is told
    from_at         timestamptz,
    until_at        timestamptz,
    attempts        integer     NOT NULL DEFAULT 0,
    failing_since   timestamptz,
    next_attempt_at timestamptz, -- NULL = nothing to do until somebody asks
    reason          text,
    detail          text,
    updated_at      timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX replies_due ON replies (tenant, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
-- Counted for everybody who asks how the service is.
CREATE INDEX replies_held ON replies (tenant) WHERE state IN ('waiting', 'parked');
