import { sameText, sign } from './signature.ts'

/** Name of the cookie that remembers a client's home region. */
export const AFFINITY_COOKIE = 'opencode-region'

const HOUR = 3_600
const REMEMBERED = 2_000

/**
 * A client's home region: where its sessions' data is. Named by the `region` claim of its token, else by a cookie that only the
 * edge can make. The claim is not verified here: it only chooses where to ask, and the API verifies the token.
 */
export class Affinity {
  readonly #secret: string | undefined
  readonly #seconds: number
  readonly #known: (region: string) => boolean
  /** Verified cookies and the claims of tokens, by their text. Bounded: the oldest go first. */
  readonly #remembered = new Map<string, { region: string | undefined; until: number }>()
  readonly #made = new Map<string, string>()

  constructor(secret: string | undefined, seconds: number, known: (region: string) => boolean) {
    this.#secret = secret
    this.#seconds = seconds
    this.#known = known
  }

  /** The region claim of the token that a request carries, if any. */
  claim(authorization: string | null): string | undefined {
    if (authorization === null) return undefined
    const remembered = this.#remembered.get(authorization)
    if (remembered !== undefined) return remembered.region
    const region = readClaim(authorization)
    return this.#remember(
      authorization,
      region !== undefined && this.#known(region) ? region : undefined,
      Infinity,
    )
  }

  /** The region that the request's cookie names; undefined for no cookie, and one that is forged, expired or names no region. */
  async cookie(header: string | null, now: number): Promise<string | undefined> {
    if (header === null || this.#secret === undefined) return undefined
    const value = readCookie(header, AFFINITY_COOKIE)
    if (value === undefined) return undefined
    const seconds = now / 1000
    const remembered = this.#remembered.get(value)
    if (remembered !== undefined) return remembered.until > seconds ? remembered.region : undefined
    const [, region, expiry, signature] =
      /^([a-z][a-z0-9-]{0,30})\.(\d{10})\.([0-9a-f]{64})$/.exec(value) ?? []
    if (
      region === undefined ||
      expiry === undefined ||
      signature === undefined ||
      Number(expiry) <= seconds
    )
      return undefined
    if (
      !this.#known(region) ||
      !(await sameText(signature, await sign(this.#secret, `affinity.${region}.${expiry}`)))
    )
      return undefined
    return this.#remember(value, region, Number(expiry))
  }

  /** The `set-cookie` value that makes a region the client's home. One signature an hour and region: expiry is a full hour. */
  async make(region: string, now: number): Promise<string | undefined> {
    if (this.#secret === undefined) return undefined
    const expiry = (Math.floor(now / 1000 / HOUR) * HOUR + this.#seconds).toString()
    const value = `${region}.${expiry}`
    let made = this.#made.get(value)
    if (made === undefined) {
      if (this.#made.size > 100) this.#made.clear()
      const signature = await sign(this.#secret, `affinity.${value}`)
      made = `${AFFINITY_COOKIE}=${value}.${signature}; Path=/; Max-Age=${this.#seconds.toString()}; HttpOnly; Secure; SameSite=Lax`
      this.#made.set(value, made)
    }
    return made
  }

  #remember(key: string, region: string | undefined, until: number): string | undefined {
    if (this.#remembered.size >= REMEMBERED) {
      const oldest = this.#remembered.keys().next()
      if (oldest.done !== true) this.#remembered.delete(oldest.value)
    }
    this.#remembered.set(key, { region, until })
    return region
  }
}

function readCookie(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return undefined
}

/** The claim of a bearer token, or of one that is sent as the password of basic authentication. */
function readClaim(authorization: string): string | undefined {
  try {
    const [scheme, credentials = ''] = authorization.split(' ', 2)
    const token =
      scheme?.toLowerCase() === 'basic'
        ? atob(credentials).split(':').slice(1).join(':')
        : credentials
    const payload = token.split('.')[1]
    if (payload === undefined) return undefined
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
    const region =
      typeof claims === 'object' && claims !== null && 'region' in claims
        ? claims.region
        : undefined
    return typeof region === 'string' ? region : undefined
  } catch {
    return undefined // Not a token: the API says so.
  }
}
