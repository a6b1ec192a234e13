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

/** How far the edge's clock and ours may be apart, seconds. */
const WINDOW = 300

function mac(secret: string, time: string, { method, host, path, requestID }: ProvenRequest): string {
  return createHmac('sha256', secret).update(`${time}.${method}.${host}.${path}.${requestID}`).digest('hex')
}

/** The value of `x-opencode-edge` for a request. */
export function signEdgeProof(secret: string, request: ProvenRequest, now = Date.now()): string {
  const time = Math.floor(now / 1000).toString()
  return `t=${time},v1=${mac(secret, time, request)}`
}

/** Whether a request came through the edge, within the last five minutes. */
export function checkEdgeProof(secret: string, request: ProvenRequest, proof: string | undefined, now = Date.now()): boolean {
  const [, time, given] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(proof ?? '') ?? []
  if (time === undefined || given === undefined || Math.abs(now / 1000 - Number(time)) > WINDOW) return false
  return timingSafeEqual(Buffer.from(given), Buffer.from(mac(secret, time, request)))
}
