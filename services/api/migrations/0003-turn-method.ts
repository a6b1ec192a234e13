/** A turn's method beside its request: PostgreSQL refuses to take JSON apart that holds a lone surrogate or U+0000. */
export const sql = /* sql */ `
ALTER TABLE turns ADD COLUMN method text;
`
