/**
 * Sessions' files as trees of objects, each stored once for a session and its forks. The tables of archives stay for a
 * version that is rolled back to.
 */
export const sql = /* sql */ `
CREATE TABLE snapshots (
  root_id text PRIMARY KEY REFERENCES sessions (id),
  -- Whose objects: of the first session of all that were forked from one another.
  store_id text NOT NULL,
  -- Name of the node that leads to everything.
  root bytea NOT NULL,
  -- Bytes that the files take on a disk.
  size bigint NOT NULL,
  entries bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX snapshots_by_store ON snapshots (store_id);
CREATE TABLE workspace_objects (
  store_id text NOT NULL,
  -- The letter n for a node or c for a chunk, then 160 bits of the SHA-256 of data.
  ref bytea NOT NULL,
  data bytea NOT NULL,
  touched_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (store_id, ref)
);
ALTER TABLE workspace_objects ALTER COLUMN data SET STORAGE EXTERNAL;
-- What is known of a store's rubbish.
CREATE TABLE workspace_stores (
  store_id text PRIMARY KEY,
  -- Bytes written since the last collection, and bytes that it has kept.
  written bigint NOT NULL DEFAULT 0,
  kept bigint NOT NULL DEFAULT 0
);
`
