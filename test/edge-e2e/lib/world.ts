import { startLocalEdge } from '../../../edge/tools/local.ts'
import type { LocalEdge, LocalEdgeOptions } from '../../../edge/tools/local.ts'
import { localSecrets } from '../../../edge/tools/local.ts'
import { Origin } from './origin.ts'

/** Three origins and an edge in front of them. */
export interface World {
  readonly us: Origin
  readonly eu: Origin
  readonly apac: Origin
  readonly edge: LocalEdge
  stop(): Promise<void>
}

/** Starts a world whose health checks are fast. */
export async function startWorld(options: Partial<LocalEdgeOptions> = {}): Promise<World> {
  const [us, eu, apac] = await Promise.all([
    new Origin('us').start(),
    new Origin('eu').start(),
    new Origin('apac').start(),
  ])
  const edge = await startLocalEdge({
    origins: { us: us.url, eu: eu.url, apac: apac.url },
    ...options,
    // Loopback has no distance: what a busy machine measures must not move clients.
    settings: { probeInterval: 500, refresh: 200, nearer: 60_000, ...options.settings },
  })
  return {
    us,
    eu,
    apac,
    edge,
    stop: async () => {
      await Promise.all([edge.stop(), us.kill(), eu.kill(), apac.kill()])
    },
  }
}

/** Calls an operator endpoint: reads health without a body, changes something with one. */
export async function operate(
  edge: LocalEdge,
  action: string,
  body?: object,
  token = localSecrets.OPERATOR_TOKEN,
): Promise<Response> {
  return fetch(`${edge.url}/__edge/${action}`, {
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
}

/** Waits until something holds. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = 20_000,
): Promise<void> {
  const deadline = Date.now() + ms
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms.toString()} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
