import type { FailureReason } from '../protocol/sandbox.ts'

/** The turn belongs to a newer attempt: nothing more may be written for it. */
export class StaleFence extends Error {
  override readonly name = 'StaleFence'
}

/** Why a sandbox is of no use to its turn any more: its engine failed, its agent is gone or silent, or it could not be reached at all. */
export type LossReason = FailureReason | 'gone' | 'silent' | 'unreached' | 'unusable'

/** The sandbox ended, hung or cannot be used; another attempt in another sandbox may succeed. */
export class SandboxLost extends Error {
  override readonly name = 'SandboxLost'
  readonly reason: LossReason

  constructor(reason: LossReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** The worker is being shut down; the turn goes to another one. */
export class HandedOver extends Error {
  override readonly name = 'HandedOver'
}

/** The turn cannot succeed however often it is tried; `status` and the message go to the client. */
export class TurnRefused extends Error {
  override readonly name = 'TurnRefused'
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}
