/** Tenants, sessions, their event log and its projections, turns, workspaces, usage. */
export const sql = /* sql */ `
CREATE TABLE tenants (
  id text PRIMARY KEY,
  head_seq bigint NOT NULL DEFAULT 0,
  config json,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
  id text PRIMARY KEY,
  tenant text NOT NULL REFERENCES tenants (id),
  user_id text NOT NULL,
  root_id text NOT NULL,
  parent_id text,
  directory text NOT NULL,
  title text NOT NULL,
  -- json, not jsonb, wherever the engine's own words are kept: tool output may hold U+0000, which jsonb refuses.
  info json NOT NULL,
  todos json,
  diff json,
  head_seq bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX sessions_by_tenant ON sessions (tenant, updated_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX sessions_by_root ON sessions (root_id);
CREATE INDEX sessions_by_parent ON sessions (parent_id);

CREATE TABLE session_events (
  session_id text NOT NULL REFERENCES sessions (id),
  seq bigint NOT NULL,
  tenant text NOT NULL,
  tenant_seq bigint NOT NULL,
  event_id text NOT NULL,
  type text NOT NULL,
  data json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (session_id, seq),
  UNIQUE (tenant, tenant_seq)
);

CREATE TABLE messages (
  session_id text NOT NULL REFERENCES sessions (id),
  id text NOT NULL,
  info json NOT NULL,
  PRIMARY KEY (session_id, id)
);

CREATE TABLE parts (
  session_id text NOT NULL,
  id text NOT NULL,
  message_id text NOT NULL,
  data json NOT NULL,
  PRIMARY KEY (session_id, id)
);
CREATE INDEX parts_by_message ON parts (session_id, message_id);

CREATE TABLE turns (
  id text PRIMARY KEY,
  tenant text NOT NULL REFERENCES tenants (id),
  user_id text NOT NULL,
  session_id text NOT NULL REFERENCES sessions (id),
  root_id text NOT NULL,
  request json NOT NULL,
  request_digest text NOT NULL,
  idempotency_key text,
  status text NOT NULL CHECK (status IN ('pending', 'queued', 'running', 'completed', 'failed', 'aborted', 'dead')),
  attempt int NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0,
  worker text,
  abort boolean NOT NULL DEFAULT false,
  heartbeat_at timestamptz,
  result json,
  error text,
  traceparent text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  queued_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  deadline timestamptz NOT NULL
);
-- One turn at a time for a session and its children: they share one workspace and one engine.
CREATE UNIQUE INDEX turns_one_at_a_time ON turns (root_id) WHERE status IN ('queued', 'running');
CREATE UNIQUE INDEX turns_by_key ON turns (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX turns_open ON turns (tenant) WHERE status IN ('pending', 'queued', 'running');
CREATE INDEX turns_waiting ON turns (root_id, created_at) WHERE status = 'pending';

-- Questions and permissions that a running turn waits for.
CREATE TABLE requests (
  id text PRIMARY KEY,
  tenant text NOT NULL,
  session_id text NOT NULL,
  turn_id text NOT NULL REFERENCES turns (id),
  kind text NOT NULL CHECK (kind IN ('permission', 'question')),
  data json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX requests_by_tenant ON requests (tenant, kind);

CREATE TABLE workspaces (
  root_id text PRIMARY KEY REFERENCES sessions (id),
  version text NOT NULL,
  size bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE workspace_chunks (
  version text NOT NULL,
  number int NOT NULL,
  data bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (version, number)
);
ALTER TABLE workspace_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE usage (
  tenant text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  type text NOT NULL,
  day date NOT NULL,
  tokens bigint NOT NULL,
  PRIMARY KEY (tenant, day, provider, model, type)
);
`
