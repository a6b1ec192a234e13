import { importSPKI, jwtVerify, type CryptoKey } from 'jose'
import { ticketAudience, ticketClaims, type TicketClaims } from '../protocol/sandbox.ts'

/** How far the clocks of two nodes may differ, seconds. */
const CLOCK_TOLERANCE = 10

/** Decides who may speak to this sandbox: whoever holds the newest ticket that the API has signed for this pod. */
export class TicketCheck {
  readonly #key: Promise<CryptoKey>
  readonly #podUID: string
  #fence = 0

  /** @param publicKey - The API's, PEM (SPKI, Ed25519). */
  constructor(publicKey: string, podUID: string) {
    this.#key = importSPKI(publicKey, 'EdDSA')
    // Whoever asks hears of a key that is none; until then it is nobody's unhandled rejection.
    this.#key.catch(() => undefined)
    this.#podUID = podUID
  }

  /** @throws Error when the public key is none. */
  async isUsable(): Promise<void> {
    await this.#key
  }

  /**
   * Takes a ticket; earlier ones are good for nothing after that.
   * @throws Error when it is forged, expired, for another pod, or not newer than the last one.
   */
  async take(ticket: string): Promise<TicketClaims> {
    const { payload } = await jwtVerify(ticket, await this.#key, {
      algorithms: ['EdDSA'],
      audience: ticketAudience,
      clockTolerance: CLOCK_TOLERANCE,
      requiredClaims: ['exp'],
    })
    const claims = ticketClaims.parse(payload)
    if (claims.pod !== this.#podUID) throw new Error('the ticket is for another pod')
    if (claims.fence <= this.#fence)
      throw new Error(`the ticket's fence ${claims.fence.toString()} is not above the last one`)
    this.#fence = claims.fence
    return claims
  }
}
