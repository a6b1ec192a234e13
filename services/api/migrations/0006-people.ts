/** People, what they sign in with, and what has been done: all secrets are kept as SHA-256. */
export const sql = /* sql */ `
ALTER TABLE tenants ADD COLUMN suspended_at timestamptz;
CREATE INDEX tenants_suspended ON tenants (id) WHERE suspended_at IS NOT NULL;

-- Users of an identity provider need no row; who signs in by link or has a token does.
CREATE TABLE people (
  tenant text NOT NULL REFERENCES tenants (id),
  id text NOT NULL,
  name text,
  role text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
  created_at timestamptz NOT NULL DEFAULT now(),
  disabled_at timestamptz,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX people_disabled ON people (tenant, id) WHERE disabled_at IS NOT NULL;

CREATE TABLE sign_in_links (
  hash bytea PRIMARY KEY,
  tenant text NOT NULL,
  user_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  FOREIGN KEY (tenant, user_id) REFERENCES people (tenant, id)
);
CREATE INDEX sign_in_links_by_person ON sign_in_links (tenant, user_id);

CREATE TABLE browser_sessions (
  hash bytea PRIMARY KEY,
  id text NOT NULL UNIQUE,
  tenant text NOT NULL,
  user_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  used_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  FOREIGN KEY (tenant, user_id) REFERENCES people (tenant, id)
);
CREATE INDEX browser_sessions_by_person ON browser_sessions (tenant, user_id);
CREATE INDEX browser_sessions_revoked ON browser_sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE access_tokens (
  hash bytea PRIMARY KEY,
  id text NOT NULL UNIQUE,
  tenant text NOT NULL,
  user_id text NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  used_at timestamptz,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  FOREIGN KEY (tenant, user_id) REFERENCES people (tenant, id)
);
CREATE INDEX access_tokens_by_person ON access_tokens (tenant, user_id);
CREATE INDEX access_tokens_revoked ON access_tokens (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  tenant text,
  actor text,
  address text,
  scope text,
  action text NOT NULL,
  object text,
  request_id text,
  outcome text NOT NULL CHECK (outcome IN ('done', 'refused'))
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit is append-only';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
`
