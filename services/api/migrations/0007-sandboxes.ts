/** Which session family has which sandbox, and how often a turn has ended its own from within. */
export const sql = /* sql */ `
CREATE TABLE sandboxes (
  -- UID of the pod.
  uid text PRIMARY KEY,
  name text NOT NULL,
  address text NOT NULL,
  root_id text NOT NULL REFERENCES sessions (id),
  tenant text NOT NULL,
  status text NOT NULL CHECK (status IN ('awake', 'ending')),
  -- Of the newest ticket: the sandbox takes only a higher one.
  fence bigint NOT NULL DEFAULT 0,
  -- The turn that has it; NULL while it waits for the session's next one.
  turn_id text,
  claimed_at timestamptz NOT NULL DEFAULT now(),
  used_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX sandboxes_one_per_family ON sandboxes (root_id) WHERE status = 'awake';
CREATE INDEX sandboxes_idle ON sandboxes (used_at) WHERE status = 'awake' AND turn_id IS NULL;
ALTER TABLE turns ADD COLUMN sandbox_losses int NOT NULL DEFAULT 0;
CREATE INDEX turns_running ON turns (heartbeat_at) WHERE status = 'running';
`
