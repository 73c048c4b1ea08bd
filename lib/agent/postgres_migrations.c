#include "agent/postgres_migrations.h"

#include <stddef.h>

static const char *const tables[] = {
    "CREATE TABLE settings (name text PRIMARY KEY, value text NOT NULL)",

    /* One row a process. `turn` counts its calls, `written` is the turn of its last commit, and
     * `answers` what that answered: so a process that lost its connection finds out what was done.
     */
    "CREATE TABLE workers ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " epoch bigint NOT NULL,"
    " host text NOT NULL,"
    " pid integer NOT NULL,"
    " started timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " heartbeat timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " timeout interval NOT NULL,"
    " waiting boolean NOT NULL DEFAULT false,"
    " polls boolean NOT NULL DEFAULT false," /* it is the one that polls */
    " turn bigint NOT NULL DEFAULT 0,"
    " written bigint NOT NULL DEFAULT 0,"
    " answers text[] NOT NULL DEFAULT '{}') WITH (fillfactor = 50)",
    "CREATE UNIQUE INDEX workers_polls ON workers (polls) WHERE polls",

    "CREATE TABLE documents ("
    " name text COLLATE \"C\" PRIMARY KEY,"
    " place text NOT NULL DEFAULT 'queue' CHECK (place IN ('queue', 'done', 'failed')),"
    " due timestamptz NOT NULL DEFAULT now()," /* in done and failed: since when it is there */
    " polled boolean NOT NULL DEFAULT false,"  /* it only waits for a poll */
    " lane text GENERATED ALWAYS AS (CASE WHEN polled AND place = 'queue' THEN 'polls'"
    "  ELSE place END) STORED," /* what is looked through together */
    " holder bigint,"           /* workers.id */
    " version bigint NOT NULL DEFAULT 1,"
    " document text NOT NULL,"
    " added timestamptz NOT NULL DEFAULT now(),"
    " changed timestamptz NOT NULL DEFAULT now())"
    " WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)",
    "CREATE INDEX documents_due ON documents (lane, due, name)",
    "CREATE INDEX documents_holder ON documents (holder) WHERE holder IS NOT NULL",

    "CREATE TABLE journal ("
    " name text COLLATE \"C\" NOT NULL,"
    " number bigint GENERATED ALWAYS AS IDENTITY,"
    " entry text NOT NULL,"
    " written timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " PRIMARY KEY (name, number)) WITH (autovacuum_vacuum_scale_factor = 0.02)",

    "CREATE TABLE spent ("
    " name text COLLATE \"C\" PRIMARY KEY,"
    " key text NOT NULL,"
    " claim text NOT NULL,"
    " state text NOT NULL CHECK (state IN ('begun', 'used', 'released')),"
    " perhaps boolean NOT NULL DEFAULT false," /* an earlier try of this claim may have used it */
    " expires timestamptz,"
    " begun timestamptz NOT NULL DEFAULT now(),"
    " ended timestamptz)",
    "CREATE INDEX spent_expires ON spent (expires) WHERE expires IS NOT NULL",

    "CREATE TABLE audit ("
    " n bigint PRIMARY KEY,"
    " id text,"
    " line text NOT NULL,"
    " written timestamptz NOT NULL DEFAULT clock_timestamp())",
    "CREATE INDEX audit_id ON audit (id) WHERE id IS NOT NULL",
    /* Locked by who appends: the next line follows it. */
    "CREATE TABLE audit_head (n bigint NOT NULL, digest text)",
    "INSERT INTO audit_head VALUES (0, NULL)",
    NULL,
};

/* The calls of a worker begin with its row: locked, so that nobody gives it up meanwhile, and gone
 * if somebody did. A call that comes late, over a connection given up, finds another turn. */
#define OWN_TURN(more)                                                                             \
    " UPDATE workers SET turn = my_turn, heartbeat = clock_timestamp()" more                       \
    " WHERE id = me AND epoch = my_epoch AND turn = my_turn - 1;"                                  \
    " IF NOT FOUND THEN RAISE 'this worker was given up' USING ERRCODE = 'CB001'; END IF;"

/* What a crash of the server loses of them is harmless: see ciba-postgresql(7). */
#define NEED_NOT_BE_DURABLE " PERFORM set_config('synchronous_commit', 'off', true);"

#define WAKE                                                                                       \
    " IF EXISTS (SELECT FROM workers WHERE waiting AND id IS DISTINCT FROM me) THEN"               \
    "  PERFORM pg_notify(current_schema(), ''); END IF;"

/* So long after it is due, others than the worker that polls take a document that is to be polled:
 * that one is busy, or hangs. */
#define POLL_PATIENCE " interval '5 seconds'"

#define FREE_AND_NOT_LEFT                                                                          \
    " d.holder IS NULL AND (cardinality(left_names) = 0 OR NOT EXISTS (SELECT FROM"                \
    "  unnest(left_names, left_versions) AS l (n, v) WHERE l.n = d.name AND l.v = d.version))"

/* The due documents of a lane, the longest due first. */
#define DUE_IN(lane, until)                                                                        \
    " SELECT d.name, d.due FROM documents d WHERE d.lane = '" lane "' AND d.due <= " until         \
    "  AND" FREE_AND_NOT_LEFT "  ORDER BY d.due, d.name LIMIT most FOR UPDATE SKIP LOCKED"

#define OTHERS_DUE DUE_IN("queue", "now()")
#define POLLS_DUE DUE_IN("polls", "polled_until")

/* The first that comes when no worker polls is the one that does, as long as it has its row. */
static const char take[] =
    "CREATE FUNCTION take(me bigint, my_epoch bigint, my_turn bigint, most integer,"
    " left_names text[], left_versions bigint[])"
    " RETURNS TABLE (name text, version bigint, document text, journal text)"
    " LANGUAGE plpgsql AS $$ #variable_conflict use_column\n"
    "DECLARE found_some boolean; polled_until timestamptz := now();"
    " BEGIN" NEED_NOT_BE_DURABLE OWN_TURN(
        "") " IF NOT EXISTS (SELECT FROM workers WHERE polls) THEN"
            "  BEGIN UPDATE workers SET polls = true WHERE id = me;"
            "  EXCEPTION WHEN unique_violation THEN NULL; END;"
            " END IF;"
            " IF NOT EXISTS (SELECT FROM workers WHERE polls AND id = me) THEN"
            "  polled_until := polled_until -" POLL_PATIENCE "; END IF;"
            " found_some := EXISTS (SELECT FROM documents d WHERE d.lane = 'queue' AND d.due <= "
            "now())"
            "  OR EXISTS (SELECT FROM documents d WHERE d.lane = 'polls' AND d.due <= "
            "polled_until);"
            " IF found_some THEN" /* what it takes to plan the rest is most of an idle run's time */
            " RETURN QUERY WITH others AS (" OTHERS_DUE "), polled AS (" POLLS_DUE "),"
            " soonest AS (SELECT b.name FROM (SELECT * FROM others UNION ALL SELECT * FROM polled) "
            "AS b"
            "  ORDER BY b.due, b.name LIMIT most),"
            " taken AS (UPDATE documents d SET holder = me FROM soonest s WHERE d.name = s.name"
            "  RETURNING d.name, d.version, d.document, d.due)"
            " SELECT t.name::text, t.version, t.document, (SELECT coalesce(string_agg(j.entry, ',' "
            "ORDER BY"
            "  j.number), '') FROM journal j WHERE j.name = t.name) FROM taken t ORDER BY t.due, "
            "t.name;"
            " found_some := FOUND; END IF;"
            " UPDATE workers SET waiting = NOT found_some WHERE id = me AND waiting = found_some;"
            " END $$";

/* When a document is due that this worker may take. NULL for none. */
static const char next_due[] =
    "CREATE FUNCTION next_due(me bigint, left_names text[], left_versions bigint[])"
    " RETURNS timestamptz LANGUAGE plpgsql AS $$ DECLARE soonest timestamptz; polled timestamptz;"
    " BEGIN"
    " soonest := (SELECT d.due FROM documents d WHERE d.lane = 'queue' AND" FREE_AND_NOT_LEFT
    "  ORDER BY d.due LIMIT 1);"
    " polled := (SELECT d.due FROM documents d WHERE d.lane = 'polls' AND" FREE_AND_NOT_LEFT
    "  ORDER BY d.due LIMIT 1);"
    " IF NOT EXISTS (SELECT FROM workers WHERE polls AND id = me) THEN"
    "  polled := polled +" POLL_PATIENCE "; END IF;"
    " IF EXISTS (SELECT FROM documents WHERE holder <> me) THEN"
    "  soonest := least(soonest, clock_timestamp() + interval '1 second'); END IF;"
    " RETURN least(soonest, polled); END $$";

/* A commit. `places` has "polls" for what only waits for a poll in the queue. Each part is left out
 * if there is nothing in it, also because the rights to it may be missing. `uses`: begin, used,
 * not_used, unknown. Returns an answer for each begin. */
static const char write_down[] =
    "CREATE FUNCTION write_down(me bigint, my_epoch bigint, my_turn bigint,"
    " entry_names text[], entries text[],"
    " saved_names text[], saved text[],"
    " back_names text[], back text[], places text[], dues float8[],"
    " spent_names text[], keys text[], claims text[], uses text[], expiries float8[],"
    " records text[], ids text[], onces boolean[])"
    " RETURNS text[] LANGUAGE plpgsql AS $$ DECLARE matched integer; answer text[] := '{}';"
    " BEGIN" OWN_TURN(", written = my_turn, answers = answer") /* one version of the row a commit */
    " IF cardinality(entry_names) > 0 THEN"
    " SELECT count(*) INTO matched FROM documents WHERE holder = me AND name = ANY(entry_names);"
    " IF matched <> (SELECT count(DISTINCT n) FROM unnest(entry_names) AS n) THEN"
    "  RAISE 'a document is not this worker''s' USING ERRCODE = 'CB001'; END IF;"
    " INSERT INTO journal (name, entry) SELECT n, e FROM unnest(entry_names, entries)"
    "  WITH ORDINALITY AS u (n, e, o) ORDER BY o; END IF;"
    " IF cardinality(saved_names) > 0 THEN"
    "  UPDATE documents d SET document = s.t, version = d.version + 1, changed = now()"
    "   FROM unnest(saved_names, saved) AS s (n, t) WHERE d.name = s.n AND d.holder = me;"
    "  GET DIAGNOSTICS matched = ROW_COUNT;"
    "  IF matched <> cardinality(saved_names) THEN"
    "   RAISE 'a document is not this worker''s' USING ERRCODE = 'CB001'; END IF;"
    " END IF;"
    " IF cardinality(back_names) > 0 THEN"
    "  UPDATE documents d SET document = s.t, version = d.version + 1, changed = now(),"
    "   holder = NULL, place = CASE s.p WHEN 'polls' THEN 'queue' ELSE s.p END,"
    "   polled = s.p = 'polls', due = now() + make_interval(secs => greatest(s.d, 0))"
    "   FROM unnest(back_names, back, places, dues) AS s (n, t, p, d)"
    "   WHERE d.name = s.n AND d.holder = me;"
    "  GET DIAGNOSTICS matched = ROW_COUNT;"
    "  IF matched <> cardinality(back_names) THEN"
    "   RAISE 'a document is not this worker''s' USING ERRCODE = 'CB001'; END IF;"
    "  DELETE FROM journal j USING unnest(back_names, places) AS s (n, p)"
    "   WHERE s.p = 'done' AND j.name = s.n;"
    "  IF EXISTS (SELECT FROM unnest(places, dues) AS s (p, d) WHERE p = 'queue' AND d <= 0) "
    "THEN" WAKE "  END IF;"
    " END IF;"
    " IF cardinality(spent_names) > 0 THEN"
    "  answer := spend(spent_names, keys, claims, uses, expiries);"
    "  UPDATE workers SET answers = answer WHERE id = me; END IF;"
    " IF cardinality(records) > 0 THEN PERFORM append_audit(records, ids, onces); END IF;"
    " RETURN answer; END $$";

/* spent.c has the same rules for files. */
static const char spend[] =
    "CREATE FUNCTION spend(names text[], keys text[], claims text[], uses text[], expiries "
    "float8[])"
    " RETURNS text[] LANGUAGE plpgsql AS $$ DECLARE answer text[] := '{}'; old spent; BEGIN"
    " FOR i IN 1 .. cardinality(names) LOOP"
    "  IF uses[i] = 'begin' THEN"
    "   INSERT INTO spent (name, key, claim, state, expires)"
    "    VALUES (names[i], keys[i], claims[i], 'begun', to_timestamp(expiries[i]))"
    "    ON CONFLICT (name) DO NOTHING;"
    "   IF FOUND THEN answer := answer || 'now'::text; CONTINUE; END IF;"
    "   SELECT * INTO old FROM spent WHERE name = names[i] FOR UPDATE;"
    "   IF old.state = 'released' THEN"
    "    UPDATE spent SET key = keys[i], claim = claims[i], state = 'begun', perhaps = false,"
    "     begun = now(), ended = NULL WHERE name = names[i];"
    "    answer := answer || 'now'::text;"
    "   ELSIF old.claim = claims[i] AND old.state = 'begun' THEN"
    "    UPDATE spent SET perhaps = true WHERE name = names[i];"
    "    answer := answer || 'again'::text;"
    "   ELSIF old.claim <> claims[i] AND old.state = 'used' THEN"
    "    answer := answer || 'before'::text;"
    "   ELSE answer := answer || 'unknown'::text; END IF;"
    "  ELSIF uses[i] = 'used' THEN"
    "   UPDATE spent SET state = 'used', ended = now()"
    "    WHERE name = names[i] AND claim = claims[i] AND state = 'begun';"
    "  ELSIF uses[i] = 'not_used' THEN"
    "   UPDATE spent SET state = 'released', ended = now()"
    "    WHERE name = names[i] AND claim = claims[i] AND state = 'begun' AND NOT perhaps;"
    "  END IF;"
    " END LOOP; RETURN answer; END $$";

/* The lines are those of the audit log in a file (audit.h): audit-verify checks both. */
static const char append_audit[] =
    "CREATE FUNCTION append_audit(records text[], ids text[], onces boolean[])"
    " RETURNS void LANGUAGE plpgsql AS $$ DECLARE head audit_head; line text; BEGIN"
    " SELECT * INTO STRICT head FROM audit_head FOR UPDATE;"
    " FOR i IN 1 .. cardinality(records) LOOP"
    "  CONTINUE WHEN onces[i] AND EXISTS (SELECT FROM audit WHERE id = ids[i]);"
    "  line := left(records[i], -1) || ',\"time\":\"' ||"
    "   to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') ||"
    "   '\",\"n\":' || (head.n + 1) || ',\"previous\":' ||"
    "   coalesce('\"' || head.digest || '\"', 'null');"
    "  head.digest := 'sha-256:' || rtrim(translate(encode(sha256(convert_to(line, 'UTF8')),"
    "   'base64'), '+/', '-_'), '=');"
    "  head.n := head.n + 1;"
    "  INSERT INTO audit (n, id, line) VALUES (head.n, ids[i],"
    "   line || ',\"digest\":\"' || head.digest || '\"}');"
    " END LOOP;"
    " UPDATE audit_head SET n = head.n, digest = head.digest; END $$";

/* Renews the lease, and gives up workers that have not renewed theirs. The time in which the server
 * was down does not count against them. */
static const char beat[] =
    "CREATE FUNCTION beat(me bigint, my_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$"
    " DECLARE freed integer; BEGIN" NEED_NOT_BE_DURABLE
    " UPDATE workers SET heartbeat = clock_timestamp() WHERE id = me AND epoch = my_epoch;"
    " IF NOT FOUND THEN RAISE 'this worker was given up' USING ERRCODE = 'CB001'; END IF;"
    " WITH gone AS (DELETE FROM workers WHERE id IN (SELECT id FROM workers WHERE id <> me"
    "   AND greatest(heartbeat, pg_postmaster_start_time()) + timeout < clock_timestamp()"
    "   FOR UPDATE SKIP LOCKED) RETURNING id)"
    " UPDATE documents d SET holder = NULL FROM gone g WHERE d.holder = g.id;"
    " GET DIAGNOSTICS freed = ROW_COUNT;"
    " IF freed > 0 THEN" WAKE " END IF; END $$";

/* After a connection was lost: ends the turn that is under way, if any, for good, says what the
 * last commit was, frees what was taken without our knowing, and takes again what we have (`known`)
 * if a crash of the server lost that we took it and nobody has written anything of it since: it has
 * the same version, and as many entries. */
static const char resume[] =
    "CREATE FUNCTION resume(me bigint, my_epoch bigint, my_turn bigint, known text[],"
    " versions bigint[], entries bigint[])"
    " RETURNS TABLE (turn bigint, written bigint, answers text[]) LANGUAGE plpgsql AS $$"
    " #variable_conflict use_column\n"
    "BEGIN RETURN QUERY UPDATE workers w SET turn = greatest(w.turn, my_turn) + 1,"
    "  heartbeat = clock_timestamp() WHERE w.id = me AND w.epoch = my_epoch"
    "  RETURNING w.turn, w.written, w.answers;"
    " IF NOT FOUND THEN RAISE 'this worker was given up' USING ERRCODE = 'CB001'; END IF;"
    " UPDATE documents SET holder = NULL WHERE holder = me AND name <> ALL (known);"
    " UPDATE documents d SET holder = me FROM unnest(known, versions, entries) AS k (n, v, e)"
    "  WHERE d.name = k.n AND d.holder IS NULL AND d.place = 'queue' AND d.version = k.v"
    "  AND k.e = (SELECT count(*) FROM journal j WHERE j.name = d.name);"
    " END $$";

/* What says that an approval was used goes a day after its token expired (spent.c). */
static const char begin_worker[] =
    "CREATE FUNCTION begin_worker(epoch bigint, host text, pid integer, timeout interval)"
    " RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE made bigint; BEGIN" NEED_NOT_BE_DURABLE
    " DELETE FROM spent s WHERE s.expires < now() - interval '1 day';"
    " INSERT INTO workers (epoch, host, pid, timeout) VALUES ($1, $2, $3, $4)"
    "  RETURNING id INTO made; RETURN made; END $$";

/* Ends a worker: what it has is free. */
static const char leave[] =
    "CREATE FUNCTION leave(me bigint, my_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$"
    " DECLARE freed integer; BEGIN" NEED_NOT_BE_DURABLE
    " DELETE FROM workers WHERE id = me AND epoch = my_epoch;"
    " IF FOUND THEN"
    "  UPDATE documents SET holder = NULL WHERE holder = me;"
    "  GET DIAGNOSTICS freed = ROW_COUNT; IF freed > 0 THEN" WAKE " END IF;"
    " END IF; END $$";

/* Adds documents. The same again adds nothing: names are random. */
static const char add_documents[] =
    "CREATE FUNCTION add_documents(names text[], texts text[]) RETURNS void LANGUAGE plpgsql AS $$"
    " DECLARE me bigint; BEGIN"
    " INSERT INTO documents (name, document, due)"
    "  SELECT n, t, now() - (cardinality(names) - o) * interval '1 microsecond'"
    "  FROM unnest(names, texts) WITH ORDINALITY AS u (n, t, o)"
    "  ON CONFLICT (name) DO NOTHING;" WAKE " END $$";

/* For the views: what is not JSON to PostgreSQL (a NUL character, for one) must not break them. */
static const char as_json[] =
    "CREATE FUNCTION as_json(document text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$"
    " BEGIN RETURN document::jsonb; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$";

static const char calls[] =
    "CREATE VIEW calls AS SELECT d.name, d.place, d.due, d.holder, c.value ->> 'id' AS id,"
    " c.value ->> 'name' AS tool, c.value -> 'arguments' AS arguments,"
    " CASE WHEN c.value ? 'result' THEN 'done'"
    "  ELSE coalesce(c.value -> 'authorization' ->> 'status', 'new') END AS status,"
    " coalesce(c.value -> 'authorization' ->> 'user', c.value -> 'authorization' ->> 'login_hint')"
    "  AS \"user\","
    " c.value -> 'authorization' ->> 'binding_message' AS message,"
    " c.value -> 'authorization' -> 'requested_at' AS requested_at,"
    " c.value -> 'authorization' -> 'expires_at' AS expires_at, c.value -> 'result' AS result"
    " FROM documents d CROSS JOIN LATERAL as_json(d.document) AS j"
    " CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(j -> 'calls') WHEN 'array'"
    "  THEN j -> 'calls' ELSE '[]' END) AS c";

static const char *const functions[] = {
    spend,
    append_audit,
    take,
    next_due,
    write_down,
    beat,
    begin_worker,
    resume,
    leave,
    add_documents,
    as_json,
    calls,
    "CREATE VIEW places AS SELECT place, count(*) AS documents,"
    " count(holder) AS held, min(due) AS earliest, max(due) AS latest FROM documents GROUP BY "
    "place",
    "CREATE VIEW holders AS SELECT w.id, w.host, w.pid, w.started,"
    " clock_timestamp() - w.heartbeat AS silent, w.timeout, w.polls,"
    " (SELECT count(*) FROM documents d WHERE d.holder = w.id) AS documents FROM workers w",
    "CREATE VIEW troubles AS SELECT d.name, d.place, d.due, j -> 'spool' ->> 'reason' AS reason,"
    " j -> 'spool' -> 'status' AS status, j -> 'spool' -> 'tries' AS tries"
    " FROM documents d CROSS JOIN LATERAL as_json(d.document) AS j"
    " WHERE j -> 'spool' ? 'reason'",
    NULL,
};

const char *const *const postgres_migrations[POSTGRES_VERSION] = {tables, functions};
