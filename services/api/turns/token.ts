import { jwtVerify, SignJWT } from 'jose'
import { Problem } from '../../runtime/problem.ts'

/** What a worker may act for: one turn of one session. */
export interface TurnClaims {
  turn: string
  session: string
  tenant: string
  /** The attempt it was made for. Tokens of the release before this one name none. */
  attempt?: number | undefined
}

const audience = 'opencode-turn'

/** Makes and checks the tokens that workers hold. */
export class TurnTokens {
  readonly #key: Uint8Array

  constructor(secret: string) {
    this.#key = new TextEncoder().encode(secret)
  }

  /** @param expires - End of the turn. */
  sign({ turn, session, tenant, attempt }: TurnClaims, expires: Date): Promise<string> {
    return new SignJWT({ turn, session, tenant, attempt })
      .setProtectedHeader({ alg: 'HS256' })
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(this.#key)
  }

  /** @throws Problem 401 */
  async verify(authorization: string | undefined): Promise<TurnClaims> {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined)
      throw new Problem(401, 'send the turn\'s token as "Authorization: Bearer <token>"')
    try {
      const { payload } = await jwtVerify<TurnClaims>(token, this.#key, {
        audience,
        algorithms: ['HS256'],
      })
      const { turn, session, tenant, attempt } = payload
      return { turn, session, tenant, attempt }
    } catch (cause) {
      throw new Problem(401, "the turn's token is not valid or has expired", { cause })
    }
  }
}
