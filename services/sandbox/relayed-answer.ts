import type { ServerResponse } from 'node:http'

/** Longest piece, bytes. */
const LIMIT = 16 * 2 ** 20

/**
 * Writes to the engine what a worker says a model has answered. It comes in pieces, each behind its length (4 bytes, big-endian): first
 * status and headers as JSON, then the body, then an empty piece, which tells a whole answer from one that was cut off.
 */
export class RelayedAnswer {
  readonly #response: ServerResponse
  #rest = Buffer.alloc(0)
  #isWhole = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  get isWhole(): boolean {
    return this.#isWhole
  }

  /** @returns false while the engine does not read on. */
  take(bytes: Buffer): boolean {
    this.#rest = Buffer.concat([this.#rest, bytes])
    let flows = true
    while (this.#rest.length >= 4) {
      const length = this.#rest.readUInt32BE(0)
      if (length > LIMIT) {
        this.#response.destroy()
        return true
      }
      if (this.#rest.length < 4 + length) break
      const piece = this.#rest.subarray(4, 4 + length)
      this.#rest = this.#rest.subarray(4 + length)
      if (length === 0) {
        this.#isWhole = true
        this.#response.end()
      } else if (this.#response.headersSent) flows = this.#response.write(piece)
      else this.#begin(piece)
    }
    return flows
  }

  #begin(head: Buffer): void {
    const { status, headers } = JSON.parse(head.toString()) as {
      status: number
      headers: Record<string, string>
    }
    this.#response.writeHead(status, headers)
    this.#response.flushHeaders()
  }
}
