import { createHmac, timingSafeEqual } from 'node:crypto'

/** The parts of a request that the edge's proof covers. */
export interface ProvenRequest {
  readonly method: string
  readonly host: string
  /** Path and query, as sent. */
  readonly path: string
  /** Value of `x-request-id`. */
  readonly requestID: string
}

/**
 * How old a proof may be, and how far its maker's clock and ours apart, seconds. `v1` covers one request and comes from our own
 * clients. `v2` covers a second and a host, because the edge has no time to sign each request: it is believed for less time.
 */
const windows = { v1: 300, v2: 60 }

function mac(
  secret: string,
  version: 'v1' | 'v2',
  time: string,
  { method, host, path, requestID }: ProvenRequest,
): string {
  const text =
    version === 'v1' ? `${time}.${method}.${host}.${path}.${requestID}` : `v2.${time}.${host}`
  return createHmac('sha256', secret).update(text).digest('hex')
}

/** The value of `x-opencode-edge` for one request. */
export function signEdgeProof(secret: string, request: ProvenRequest, now = Date.now()): string {
  const time = Math.floor(now / 1000).toString()
  return `t=${time},v1=${mac(secret, 'v1', time, request)}`
}

/** Whether a request came through the edge, or from one of our own clients, just now. */
export function checkEdgeProof(
  secret: string,
  request: ProvenRequest,
  proof: string | undefined,
  now = Date.now(),
): boolean {
  const [, time, version, given] = /^t=(\d{1,12}),(v[12])=([0-9a-f]{64})$/.exec(proof ?? '') ?? []
  if (time === undefined || given === undefined || (version !== 'v1' && version !== 'v2'))
    return false
  if (Math.abs(now / 1000 - Number(time)) > windows[version]) return false
  return timingSafeEqual(Buffer.from(given), Buffer.from(mac(secret, version, time, request)))
}
