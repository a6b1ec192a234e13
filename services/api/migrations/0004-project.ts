/** What the engine took a session family's directory for at the end of its last turn. */
export const sql = /* sql */ `
ALTER TABLE sessions ADD COLUMN project json;
`
