/** Which session the turn of a fork has begun: the one outside its own family that it may write to. */
export const sql = /* sql */ `
ALTER TABLE turns ADD COLUMN forked_id text;
`
