/** The turn belongs to a newer attempt: nothing more may be written for it. */
export class StaleFence extends Error {
  override readonly name = 'StaleFence'
}

/** The engine ended, hung or was restarted under the turn; another attempt may succeed. */
export class EngineLost extends Error {
  override readonly name = 'EngineLost'
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
