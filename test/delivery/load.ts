import { poll } from '../../cluster/poll.ts'
import { send, startHttp, type Failure } from '../load/http.ts'
import { faults, readEvents, readSocket, type Reader } from '../load/readers.ts'
import { tenants } from '../load/target.ts'

/** What clients saw of the service while it changed. */
export interface Seen {
  readonly sent: number
  readonly failures: readonly Failure[]
  readonly readers: readonly SeenReader[]
}

interface SeenReader {
  readonly kind: string
  readonly events: number
  readonly connects: number
  readonly faults: ReturnType<typeof faults>
}

/** Steady load of a delivery. */
export interface DeliveryLoad {
  readonly sent: number
  readonly failures: readonly Failure[]
  /** Ends the load once every reader has seen an event that was written last. */
  stop(): Promise<Seen>
}

/** Event streams and WebSocket connections that follow the same tenant. */
const readersOfEachKind = 3

/**
 * Reads and durable writes at a steady rate, and clients that follow the events of the writes: nothing may fail, and no event
 * may be missing or come twice.
 */
export async function startDelivery(perSecond = 10): Promise<DeliveryLoad> {
  const [writer = '', ...others] = await tenants(`deliver-${Date.now()}`, 4)
  const readers: [string, Reader][] = Array.from(
    { length: readersOfEachKind },
    (): [string, Reader][] => [
      ['SSE', readEvents(writer)],
      ['WebSocket', readSocket(writer)],
    ],
  ).flat()
  const create = (title: string): Promise<unknown> =>
    send({ method: 'POST', path: '/session', token: writer, body: { title } })
  await poll('the readers', 30, async () =>
    Promise.resolve(readers.every(([, { connects }]) => connects > 0)),
  )
  await create('first')
  // Durable writes of one tenant follow each other; one request in five is as much as two cores' disk takes with ease.
  const load = startHttp(perSecond, (number) =>
    number % 5 === 0
      ? { method: 'POST', path: '/session', token: writer, body: { title: `delivery ${number}` } }
      : { method: 'GET', path: '/session?limit=1', token: others[number % others.length] ?? '' },
  )
  return {
    get sent() {
      return load.sent
    },
    failures: load.failures,
    async stop() {
      await load.stop()
      const last = `last ${Date.now()}`
      await create(last)
      await poll('every reader to see the last event', 60, async () =>
        Promise.resolve(readers.every(([, reader]) => reader.saw(last))),
      )
      await Promise.all(readers.map(([, reader]) => reader.stop()))
      const seen = readers.map(([kind, { ids, connects }]) => ({
        kind,
        events: ids.length,
        connects,
        faults: faults(ids),
      }))
      return { sent: load.sent, failures: load.failures, readers: seen }
    },
  }
}

/** Reasons why what was seen is not good enough; empty where it is. */
export function complaints({ failures, readers }: Seen): string[] {
  const failed = failures.map(
    ({ at, call, reason }) => `${new Date(at).toISOString()} ${call}: ${reason}`,
  )
  const broken = readers.flatMap(({ kind, faults: { missing, repeated, disordered } }) =>
    missing + repeated + disordered > 0
      ? [`${kind}: ${missing} events missing, ${repeated} repeated, ${disordered} out of order`]
      : [],
  )
  return [...failed, ...broken]
}
