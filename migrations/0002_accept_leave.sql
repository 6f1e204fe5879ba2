-- The mailbox that a source means by an address and, where it names one, an object id. The id decides: an address may have
-- passed on to somebody else, or have been given with a wrong id before. What was written by the former answer stays with it.
CREATE FUNCTION mailbox_of(p_tenant text, p_address text, p_entra_id text) RETURNS mailboxes LANGUAGE plpgsql AS $$
DECLARE
    v_mailbox mailboxes;
BEGIN
    SELECT * INTO v_mailbox FROM mailboxes b WHERE b.tenant = p_tenant AND b.address = p_address;
    IF NOT FOUND THEN
        INSERT INTO mailboxes (tenant, address, entra_id, given)
        VALUES (p_tenant, p_address, p_entra_id, p_entra_id IS NOT NULL)
        ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT v_mailbox FROM mailboxes b WHERE b.tenant = p_tenant AND b.address = p_address;
    END IF;
    IF v_mailbox.entra_id IS NULL AND p_entra_id IS NOT NULL THEN
        UPDATE mailboxes b SET entra_id = coalesce(b.entra_id, p_entra_id), given = b.given OR b.entra_id IS NULL
        WHERE b.id = v_mailbox.id
        RETURNING * INTO STRICT v_mailbox;
    END IF;
    IF v_mailbox.entra_id <> p_entra_id THEN
        RETURN mailbox_of(p_tenant, p_entra_id, p_entra_id);
    END IF;
    RETURN v_mailbox;
END;
$$;

-- Takes in one change of one leave: everything that the promise "acknowledged means stored" covers, in one transaction and
-- one round trip. A function, because every statement in it sees what a concurrent change of the same leave has just
-- committed, which a single statement of several parts would not: it could leave an event behind in a former mailbox.
--
-- `outcome`: accepted | unchanged (same content) | stale (older than what is stored) | duplicate (delivery seen before)
-- | reused (delivery id seen before with another body; nothing is stored). One row per mapping of the leave, or one row
-- without a mapping.
CREATE FUNCTION accept_leave(
    p_client      text,
    p_delivery_id text,        -- NULL: the sender gave none
    p_body_hash   bytea,
    p_tenant      text,
    p_source      text,
    p_external_id text,
    p_status      text,
    p_content     jsonb,       -- NULL: a cancellation, which need not repeat the leave
    p_source_at   timestamptz,
    p_mapping_ids uuid[],      -- for mappings that do not exist yet; as long as p_addresses
    p_addresses   text[],      -- the mailboxes the leave belongs to
    p_entra_ids   text[],      -- may be shorter: what is missing is not known
    p_calendars   text[]
) RETURNS TABLE (
    outcome text, leave bigint, status text, mapping uuid, mailbox text, calendar text, state text, reason text,
    detail text, next_attempt_at timestamptz, event_id text, web_link text, attempts integer, updated_at timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now     timestamptz := leavebridge_now();
    v_stored  leaves;
    v_seen    received;
    v_mailbox mailboxes;
    v_to      record;
    v_outcome text := 'accepted';
    v_kind    text := 'received';
    v_next    bigint := nextval('leaves_id_seq'); -- the leave's number, should it be new
    v_leave   bigint;
    v_rev     bigint := 1;
BEGIN
    IF p_delivery_id IS NOT NULL THEN
        -- Waits for a twin that is being taken in at this moment, then sees it.
        INSERT INTO received (client, delivery_id, body_hash, leave, at)
        VALUES (p_client, p_delivery_id, p_body_hash, v_next, v_now)
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT * INTO STRICT v_seen FROM received r WHERE r.client = p_client AND r.delivery_id = p_delivery_id;
            v_outcome := CASE WHEN v_seen.body_hash = p_body_hash THEN 'duplicate' ELSE 'reused' END;
            v_leave := v_seen.leave;
        END IF;
    END IF;

    IF v_outcome = 'accepted' THEN
        INSERT INTO leaves (id, tenant, source, external_id, status, content, source_at)
        OVERRIDING SYSTEM VALUE
        VALUES (v_next, p_tenant, p_source, p_external_id, p_status, p_content, p_source_at)
        ON CONFLICT DO NOTHING
        RETURNING id INTO v_leave;

        IF v_leave IS NULL THEN
            -- From here to the commit, changes of this leave come one after the other.
            SELECT * INTO STRICT v_stored FROM leaves l
            WHERE l.tenant = p_tenant AND l.source = p_source AND l.external_id = p_external_id
            FOR NO KEY UPDATE;
            v_leave := v_stored.id;
            v_kind := 'changed';

            IF p_source_at < v_stored.source_at THEN
                v_outcome := 'stale';
            ELSIF p_status = v_stored.status AND (p_status = 'cancelled' OR p_content = v_stored.content) THEN
                v_outcome := 'unchanged';
                UPDATE leaves SET source_at = p_source_at WHERE id = v_leave AND source_at < p_source_at;
            ELSIF p_source_at = v_stored.source_at AND v_stored.status = 'cancelled' THEN
                v_outcome := 'stale';
            ELSE
                UPDATE leaves
                SET status = p_status, content = coalesce(p_content, content), source_at = p_source_at, rev = rev + 1
                WHERE id = v_leave
                RETURNING rev INTO v_rev;
            END IF;
        END IF;

        IF p_delivery_id IS NOT NULL AND v_leave <> v_next THEN
            UPDATE received r SET leave = v_leave WHERE r.client = p_client AND r.delivery_id = p_delivery_id;
        END IF;

        IF v_outcome = 'stale' THEN
            INSERT INTO timeline (leave, at, kind, detail)
            VALUES (v_leave, v_now, 'received', jsonb_strip_nulls(jsonb_build_object(
                'outcome', v_outcome, 'status', p_status, 'client', p_client, 'delivery', p_delivery_id,
                'source_at', p_source_at)));
        END IF;
    ELSIF v_outcome = 'duplicate' THEN
        v_kind := NULL;
    END IF;

    IF v_outcome = 'accepted' THEN
        INSERT INTO timeline (leave, at, kind, detail)
        VALUES (v_leave, v_now, v_kind, jsonb_strip_nulls(jsonb_build_object(
            'outcome', v_outcome, 'status', p_status, 'rev', v_rev, 'client', p_client, 'delivery', p_delivery_id,
            'source_at', p_source_at)));

        IF p_content IS NULL THEN
            -- A cancellation does not say whose leave it was: whatever there is has to go.
            UPDATE mappings m
            SET wanted_rev = v_rev, state = 'pending', next_attempt_at = greatest(v_now, b.blocked_until, b.throttled_until), attempts = 0,
                failing_since = NULL, reason = NULL, detail = NULL, updated_at = v_now
            FROM mailboxes b
            WHERE m.leave = v_leave AND m.wanted AND b.id = m.mailbox;
        ELSE
            -- One by one: a join would be planned by statistics, and a new database has none. In a fixed order, so that
            -- two leaves with the same mailboxes cannot lock each other out.
            FOR v_to IN
                SELECT * FROM unnest(p_mapping_ids, p_addresses, p_entra_ids, p_calendars)
                    AS t (mapping, address, entra_id, calendar)
                ORDER BY t.address, t.calendar
            LOOP
                v_mailbox := mailbox_of(p_tenant, v_to.address, v_to.entra_id);
                INSERT INTO mappings
                    (id, leave, mailbox, calendar, tenant, wanted, wanted_rev, next_attempt_at, updated_at)
                VALUES (v_to.mapping, v_leave, v_mailbox.id, v_to.calendar, p_tenant, true, v_rev,
                        greatest(v_now, v_mailbox.blocked_until, v_mailbox.throttled_until), v_now)
                ON CONFLICT (leave, mailbox, calendar) DO UPDATE
                SET wanted = true, wanted_rev = excluded.wanted_rev, state = 'pending',
                    next_attempt_at = excluded.next_attempt_at, attempts = 0, failing_since = NULL, reason = NULL,
                    detail = NULL, updated_at = excluded.updated_at;
            END LOOP;

            IF v_kind = 'changed' THEN
                -- The leave has moved: its event goes from where it no longer belongs.
                UPDATE mappings m
                SET wanted = false, wanted_rev = v_rev, state = 'pending',
                    next_attempt_at = greatest(v_now, b.blocked_until, b.throttled_until), attempts = 0,
                    failing_since = NULL, reason = NULL, detail = NULL, updated_at = v_now
                FROM mailboxes b
                WHERE m.leave = v_leave AND m.wanted AND b.id = m.mailbox AND m.wanted_rev < v_rev;
            END IF;
        END IF;
    END IF;

    RETURN QUERY
    SELECT v_outcome, l.id, l.status, v.id, v.mailbox, v.calendar, v.state, v.reason, v.detail, v.next_attempt_at,
           v.event_id, v.web_link, v.attempts, v.updated_at
    FROM leaves l
    LEFT JOIN mapping_view v ON v.leave = l.id
    WHERE l.id = v_leave AND v_outcome <> 'reused'
    ORDER BY v.mailbox, v.calendar;
    IF NOT FOUND THEN
        RETURN QUERY SELECT v_outcome, v_leave, NULL::text, NULL::uuid, NULL::text, NULL::text, NULL::text, NULL::text,
                            NULL::text, NULL::timestamptz, NULL::text, NULL::text, NULL::integer, NULL::timestamptz;
    END IF;
END;
$$;

-- Takes in several changes, of different leaves or of one, in one transaction: what arrives at the same time shares the
-- round trip and the commit. Either all are taken in or none. `n` says which change a row is about.
CREATE FUNCTION accept_leaves(
    p_changes  jsonb, -- an array of what `accept_leave` takes: the person's own calendar, and further ones if any
    p_patience text   -- how long to wait for a row that somebody else holds, so that one leave does not hold up the others
) RETURNS TABLE (
    n integer, outcome text, leave bigint, status text, mapping uuid, mailbox text, calendar text, state text, reason text,
    detail text, next_attempt_at timestamptz, event_id text, web_link text, attempts integer, updated_at timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now   timestamptz := leavebridge_now();
    v_one   record;
    v_taken integer[] := '{}';
BEGIN
    PERFORM set_config('lock_timeout', p_patience, true);

    -- The usual change is a new leave for one calendar, of somebody whose mailbox is known and open. Those are written
    -- together: to begin a statement costs more than a row. What turns out not to be new after all goes the long way below,
    -- like everything else.
    -- `IN … IS TRUE` keeps the planner from joining the parts with each other, at the square of their length.
    FOR v_round IN 1..2 LOOP
        FOR v_one IN
            WITH changes AS MATERIALIZED (
                SELECT c.*, row_number() OVER (PARTITION BY c.tenant, c.source, c.external_id ORDER BY c.n) AS nth
                FROM jsonb_to_recordset(p_changes) AS c (
                    n integer, client text, delivery_id text, body_hash text, tenant text, source text, external_id text,
                    status text, content jsonb, source_at timestamptz, mapping uuid, address text, entra_id text,
                    calendar text, team_mappings uuid[])
                WHERE c.n <> ALL (v_taken)
            ), plain AS MATERIALIZED (
                SELECT c.*, b.id AS mailbox, nextval('leaves_id_seq') AS leave
                FROM changes c
                JOIN mailboxes b ON b.tenant = c.tenant AND b.address = c.address
                WHERE c.nth = 1 AND c.content IS NOT NULL AND c.team_mappings IS NULL AND (c.entra_id IS NULL OR c.entra_id = b.entra_id)
                  AND coalesce(greatest(b.blocked_until, b.throttled_until) <= v_now, true)
                  AND NOT EXISTS (SELECT FROM tenants_state t WHERE t.tenant = c.tenant AND t.blocked_until > v_now)
                  AND NOT EXISTS (
                      SELECT FROM leaves l
                      WHERE l.tenant = c.tenant AND l.source = c.source AND l.external_id = c.external_id)
                ORDER BY c.n
            ), seen AS (
                INSERT INTO received (client, delivery_id, body_hash, leave, at)
                SELECT p.client, p.delivery_id, decode(p.body_hash, 'base64'), p.leave, v_now
                FROM plain p WHERE p.delivery_id IS NOT NULL
                ON CONFLICT DO NOTHING
                RETURNING leave
            ), made AS (
                INSERT INTO leaves (id, tenant, source, external_id, status, content, source_at)
                OVERRIDING SYSTEM VALUE
                SELECT p.leave, p.tenant, p.source, p.external_id, p.status, p.content, p.source_at
                FROM plain p WHERE p.delivery_id IS NULL OR (p.leave IN (SELECT leave FROM seen)) IS TRUE
                ON CONFLICT DO NOTHING
                RETURNING id
            ), mapped AS (
                INSERT INTO mappings (id, leave, mailbox, calendar, tenant, wanted, wanted_rev, next_attempt_at, updated_at)
                SELECT p.mapping, p.leave, p.mailbox, p.calendar, p.tenant, true, 1, v_now, v_now
                FROM plain p WHERE (p.leave IN (SELECT id FROM made)) IS TRUE
            ), told AS (
                INSERT INTO timeline (leave, at, kind, detail)
                SELECT p.leave, v_now, 'received', jsonb_strip_nulls(jsonb_build_object(
                    'outcome', 'accepted', 'status', p.status, 'rev', 1, 'client', p.client, 'delivery', p.delivery_id,
                    'source_at', p.source_at))
                FROM plain p WHERE (p.leave IN (SELECT id FROM made)) IS TRUE
            )
            SELECT p.n, p.leave, p.status, p.mapping, p.address, p.calendar, p.client, p.delivery_id,
                   (p.leave IN (SELECT id FROM made)) IS TRUE AS is_made,
                   (p.leave IN (SELECT leave FROM seen)) IS TRUE AS is_noted
            FROM plain p
        LOOP
            IF v_one.is_made THEN
                n := v_one.n; outcome := 'accepted'; leave := v_one.leave; status := v_one.status; mapping := v_one.mapping;
                mailbox := v_one.address; calendar := v_one.calendar; state := 'pending'; next_attempt_at := v_now;
                attempts := 0; updated_at := v_now;
                RETURN NEXT;
                v_taken := v_taken || v_one.n;
            ELSIF v_one.is_noted THEN
                -- Another replica has just taken in the same leave. The long way must not take its own note for a twin.
                DELETE FROM received r
                WHERE r.client = v_one.client AND r.delivery_id = v_one.delivery_id AND r.leave = v_one.leave;
            END IF;
        END LOOP;

        IF cardinality(v_taken) = jsonb_array_length(p_changes) THEN
            RETURN;
        END IF;
        EXIT WHEN v_round = 2;
        -- People of whom nobody has heard yet: once they are known, theirs are usual changes too. Only for leave that may be
        -- new: what is refused must leave nobody behind, least of all with another's object id. In a fixed order, so that
        -- two of these cannot lock each other out.
        INSERT INTO mailboxes (tenant, address, entra_id, given)
        SELECT DISTINCT ON (c.tenant, c.address) c.tenant, c.address, c.entra_id, c.entra_id IS NOT NULL
        FROM jsonb_to_recordset(p_changes) AS c (
            n integer, client text, delivery_id text, tenant text, source text, external_id text, content jsonb, address text,
            entra_id text)
        WHERE c.n <> ALL (v_taken) AND c.content IS NOT NULL
          AND NOT EXISTS (SELECT FROM mailboxes b WHERE b.tenant = c.tenant AND b.address = c.address)
          AND NOT EXISTS (
              SELECT FROM leaves l WHERE l.tenant = c.tenant AND l.source = c.source AND l.external_id = c.external_id)
          AND NOT EXISTS (SELECT FROM received r WHERE r.client = c.client AND r.delivery_id = c.delivery_id)
        ORDER BY c.tenant, c.address, c.entra_id IS NULL, c.n
        ON CONFLICT DO NOTHING;
        EXIT WHEN NOT FOUND;
    END LOOP;

    RETURN QUERY
    SELECT c.n, a.*
    FROM jsonb_to_recordset(p_changes) AS c (
        n integer, client text, delivery_id text, body_hash text, tenant text, source text, external_id text, status text,
        content jsonb, source_at timestamptz, mapping uuid, address text, entra_id text, calendar text,
        team_mappings uuid[], team_addresses text[], team_calendars text[])
    CROSS JOIN LATERAL accept_leave(
        c.client, c.delivery_id, decode(c.body_hash, 'base64'), c.tenant, c.source, c.external_id, c.status, c.content,
        -- Only the person's own mailbox has an object id from the source; the lists are as long as the longest.
        c.source_at, array_remove(ARRAY[c.mapping] || c.team_mappings, NULL),
        array_remove(ARRAY[c.address] || c.team_addresses, NULL), ARRAY[c.entra_id],
        array_remove(ARRAY[c.calendar] || c.team_calendars, NULL)) AS a
    WHERE c.n <> ALL (v_taken);
END;
$$;
