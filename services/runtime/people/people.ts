import { createAuthenticator, tokenOf, unauthorized, type AuthConfig } from '../auth.ts'
import type { Database } from '../database/index.ts'
import { Problem } from '../problem.ts'
import { readCookie, type HeaderReader } from './cookie.ts'
import { Credentials } from './credentials.ts'
import type { Identity } from './identity.ts'
import { checkOrigin } from './origin.ts'
import { isSecret } from './secrets.ts'
import { Standing } from './standing.ts'

/** What {@link People} works with. */
export interface PeopleOptions {
  auth: AuthConfig
  database: Database
  /** A browser's session ends when it was not used for so many seconds. */
  idleSeconds: number
  /** Hears of what the database did not take; requests go on. */
  warn: (error: unknown) => void
}

/** What a request comes with. */
export interface Presented {
  method: string
  header: HeaderReader
  /** Whether it is a WebSocket's handshake. */
  upgrade?: boolean
}

/** Says who makes a request: by a JWT, a personal access token or a browser's cookie. */
export class People {
  readonly standing: Standing
  readonly #credentials: Credentials
  readonly #tokens: ReturnType<typeof createAuthenticator>

  constructor({ auth, database, idleSeconds, warn }: PeopleOptions) {
    this.#tokens = createAuthenticator(auth)
    this.#credentials = new Credentials({ database, idleSeconds, warn })
    this.standing = new Standing(database, warn)
    this.standing.listen((isOut) => {
      this.#credentials.forget(isOut)
    })
    this.standing.start()
  }

  /** @throws Problem 401, 403 that says what is wrong */
  async identify({ method, header, upgrade = false }: Presented): Promise<Identity> {
    const authorization = header('authorization')
    const cookie = authorization === undefined ? readCookie(header) : undefined
    if (cookie === undefined) return this.verify(tokenOf(authorization))
    checkOrigin(method, header, upgrade)
    const isJSON = /^application\/json\b/.test(header('content-type') ?? 'application/json')
    if (!isJSON) throw new Problem(415, 'send the body as application/json')
    return this.#standing(await this.#credentials.browser(cookie))
  }

  /** Whose token this is, a JWT or a personal access token. @throws Problem 401, 403 */
  async verify(token: string): Promise<Identity> {
    return this.#standing(
      isSecret('token', token)
        ? await this.#credentials.token(token)
        : await this.#tokens.verify(token),
    )
  }

  close(): void {
    this.standing.close()
  }

  async #standing(identity: Identity): Promise<Identity> {
    await this.standing.ready()
    if (!this.standing.isOut(identity)) return identity
    throw unauthorized('this account or its tenant is disabled, or the credential was revoked')
  }
}
