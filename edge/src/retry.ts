/** Statuses that say nothing of the request was done, or that the region is in trouble. */
export function isTrouble(status: number): boolean {
  return status === 502 || status === 503 || status === 504
}

/** Whether the origin is shutting down and did not take the request. */
export function isDraining(response: Response): boolean {
  return response.status === 503 && response.headers.get('x-opencode-draining') === '1'
}

/** Whether a method asks for nothing to be changed: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1 */
export function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** Whether repeating a request is harmless: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2 */
export function isRepeatable(method: string, headers: Headers, hasBody: boolean): boolean {
  if (isRead(method)) return true
  return !hasBody && headers.has('idempotency-key')
}

/** A share of requests that may be repeated, so that a region in trouble is not also hit by twice the load. */
export class RetryBudget {
  readonly #share: number
  readonly #most: number
  #tokens: number

  constructor({ share = 0.2, most = 100 } = {}) {
    this.#share = share
    this.#most = most
    this.#tokens = most
  }

  /** Called once a request. */
  earn(): void {
    if (this.#tokens < this.#most) this.#tokens += this.#share
  }

  /** @returns whether a repeat is allowed */
  spend(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
