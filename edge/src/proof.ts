import { sign } from './signature.ts'

/** Header that proves a request came through the edge. */
export const PROOF_HEADER = 'x-opencode-edge'

/** The proof's value: time and HMAC-SHA256 over `v2.<time>.<host>`. The API accepts it for 60 s. */
export async function prove(secret: string, host: string, now: number): Promise<string> {
  const time = Math.floor(now / 1000).toString()
  return `t=${time},v2=${await sign(secret, `v2.${time}.${host}`)}`
}

/** Proofs of the current second, one for each origin: a signature for each request would cost as much as routing it. */
export class Proofs {
  readonly #secret: string
  readonly #made = new Map<string, { readonly second: number; readonly proof: string }>()

  constructor(secret: string) {
    this.#secret = secret
  }

  /** @param host - of the region's origin, with the port where it is not the scheme's; @returns a promise once a second */
  get(host: string, now: number): string | Promise<string> {
    const made = this.#made.get(host)
    return made?.second === Math.floor(now / 1000) ? made.proof : this.#make(host, now)
  }

  async #make(host: string, now: number): Promise<string> {
    const proof = await prove(this.#secret, host, now)
    this.#made.set(host, { second: Math.floor(now / 1000), proof })
    return proof
  }
}
