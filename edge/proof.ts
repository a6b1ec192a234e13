import { sign } from './signature.ts'

/** Header that proves a request came through the edge. */
export const PROOF_HEADER = 'x-opencode-edge'

/** The parts of a request that the proof covers. */
export interface ProvenRequest {
  readonly method: string
  /** Host of the region's origin, with the port where it is not the scheme's. */
  readonly host: string
  /** Path and query, as sent. */
  readonly path: string
  readonly requestID: string
}

/** The proof's value: time and HMAC-SHA256 over `<time>.<method>.<host>.<path>.<request id>`. The API accepts it for 300 s. */
export async function prove(secret: string, { method, host, path, requestID }: ProvenRequest, now: number): Promise<string> {
  const time = Math.floor(now / 1000).toString()
  return `t=${time},v1=${await sign(secret, `${time}.${method}.${host}.${path}.${requestID}`)}`
}
