import { importPKCS8, SignJWT, type CryptoKey } from 'jose'
import { ticketAudience, type TicketClaims } from '../../protocol/sandbox.ts'

/** Time a worker has to dial, seconds. */
const LIFETIME = 60

/** Signs the tickets that open a sandbox to one worker. */
export class Tickets {
  readonly #key: Promise<CryptoKey>

  /** @param privateKey - PEM, PKCS#8, Ed25519. */
  constructor(privateKey: string) {
    this.#key = importPKCS8(privateKey, 'EdDSA')
    this.#key.catch(() => undefined)
  }

  /** @throws Error when the private key is none. */
  async sign({ pod, turn, fence }: TicketClaims): Promise<string> {
    return new SignJWT({ pod, turn, fence })
      .setProtectedHeader({ alg: 'EdDSA' })
      .setAudience(ticketAudience)
      .setIssuedAt()
      .setExpirationTime(`${LIFETIME.toString()}s`)
      .sign(await this.#key)
  }
}
