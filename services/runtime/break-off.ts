import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'

/**
 * Breaks a response off so that its reader cannot take what it got for the whole: the connection is dropped. A stream that only
 * errors would be closed properly by the server, with the error's text as its last words.
 */
export function breakOff(
  context: Context,
  controller: ReadableStreamDefaultController,
  error: unknown,
): void {
  // No connection behind a request made in this process.
  const { outgoing } = (context.env ?? {}) as Partial<HttpBindings>
  if (outgoing === undefined) controller.error(error)
  else outgoing.destroy()
}
