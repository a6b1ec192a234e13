/**
 * A WAL position as PostgreSQL prints it, e.g. `0/16B3748`. Also the consistency token of a client: whoever presents it
 * reads from a server that has replayed at least this much.
 * @see https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */
export type Lsn = `${string}/${string}`

const form = /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/

/** Reads a position that came from outside, e.g. a request header. `undefined` where it is none, so that a forged token is no error. */
export function parseLsn(text: string | null | undefined): Lsn | undefined {
  return text != null && form.test(text) ? (text.toUpperCase() as Lsn) : undefined
}

/** The position as a number of bytes since the cluster began. */
export function lsnBytes(lsn: Lsn): bigint {
  const [high = '0', low = '0'] = lsn.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

/** The later one of two positions. */
export function laterLsn(a: Lsn | undefined, b: Lsn | undefined): Lsn | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return lsnBytes(a) >= lsnBytes(b) ? a : b
}
