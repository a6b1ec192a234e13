const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

// https://www.postgresql.org/docs/current/errcodes-appendix.html: shutdown, crash, starting up, too many connections
const serverAway = new Set(['57P01', '57P02', '57P03', '53300'])

// node-postgres reports a closed socket without a code.
const closed =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/

// What PgBouncer says when it has not handed the statement to any server, so that even a write can be sent again.
const notForwarded =
  /cannot connect to server|server login has been failing|server_login_retry|query_wait_timeout|no more connections allowed|database .* is paused/

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
}

/** The server or the way to it is gone. Whether the statement was carried out is unknown. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = codeOf(error)
  if (error instanceof AggregateError) return error.errors.some(isConnectionError)
  return (
    networkCodes.has(code) ||
    serverAway.has(code) ||
    code.startsWith('08') ||
    closed.test(error.message) ||
    notForwarded.test(error.message)
  )
}

/** The statement certainly was not carried out, because it never reached a server. */
export function isNeverSent(error: unknown): boolean {
  return error instanceof Error && notForwarded.test(error.message)
}

/** A replica cannot answer this now, but the primary can: it is read only (25006), or replay cancelled the query (40001, 40P01). */
export function isReplicaConflict(error: unknown): boolean {
  return ['25006', '40001', '40P01'].includes(codeOf(error))
}

/** The server has no room for more data (53100). Reads still work; time alone does not cure it. */
export function isDiskFull(error: unknown): boolean {
  return codeOf(error) === '53100'
}

/** Two transactions got in each other's way: run the losing one again. */
export function isSerializationFailure(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error))
}

/** A statement was asked of a server that may not answer it. A bug in the caller. */
export class RoutingError extends Error {
  override readonly name = 'RoutingError'
}
