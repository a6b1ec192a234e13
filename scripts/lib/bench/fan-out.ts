import { connect, type Socket } from 'node:net'
import { Client, token, type Stores } from '../../../test/services/support/api.ts'
import { until } from '../../../test/services/support/until.ts'
import { startApiProcess } from './api-process.ts'
import { median, percentile, type Finding } from './finding.ts'

const clients = 2_000
const warmUps = 20
const appends = 200

/** Raw sockets that only look for the newest event's id: clients in the same machine must not be the load. */
class Audience {
  readonly #sockets: Socket[] = []
  #connected = 0
  #waiting = 0
  #mark = Buffer.alloc(0)
  #all: () => void = () => undefined

  async join(url: string, bearer: string, count: number): Promise<void> {
    const { hostname, port } = new URL(url)
    const before = this.#connected
    const wanted = before + count
    for (let started = 0; started < count; started += 50) {
      for (let index = 0; index < Math.min(50, count - started); index++)
        this.#sockets.push(this.#open(hostname, Number(port), bearer))
      await until(
        () => this.#connected >= Math.min(before + started + 50, wanted),
        60_000,
        'the clients to connect',
      )
    }
  }

  /** Resolves when every client has the event with this id. */
  async hears(id: number): Promise<void> {
    this.#mark = Buffer.from(`id: ${id.toString()}\n`)
    this.#waiting = this.#connected
    await new Promise<void>((resolve) => {
      this.#all = resolve
    })
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #open(host: string, port: number, bearer: string): Socket {
    const socket = connect(port, host)
    socket.write(`GET /event HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${bearer}\r\n\r\n`)
    socket.once('data', () => {
      this.#connected += 1
      socket.on('data', (chunk) => {
        if (!chunk.includes(this.#mark)) return
        this.#waiting -= 1
        if (this.#waiting === 0) this.#all()
      })
    })
    return socket
  }
}

/** From a change of a session to the last of 2,000 clients that hear of it, and what an idle client costs. */
export async function benchFanOut(stores: Stores): Promise<Finding[]> {
  const api = await startApiProcess(stores)
  const audience = new Audience()
  try {
    const bearer = await token('fan-out')
    const client = new Client(api.url, bearer)
    const { id: session } = await client.call<{ id: string }>('POST', '/session', {})
    await audience.join(api.url, bearer, 100)
    const before = await api.memory()
    await audience.join(api.url, bearer, clients)
    const perClient = ((await api.memory()) - before) / clients / 1024
    let sequence = 1
    const append = async (): Promise<number> => {
      const heard = audience.hears(++sequence)
      const started = performance.now()
      const sent = client.call('PATCH', `/session/${session}`, {
        title: `title ${sequence.toString()}`,
      })
      await heard
      const passed = performance.now() - started
      await sent
      return passed
    }
    for (let round = 0; round < warmUps; round++) await append()
    const times: number[] = []
    for (let round = 0; round < appends; round++) times.push(await append())
    const all = (clients + 100).toString()
    return [
      {
        what: 'SSE fan-out, p99 from the request that appends to the last client',
        measured: percentile(times, 99),
        limit: 250,
        unit: 'ms',
        decimals: 0,
        detail: `${all} clients, ${appends.toString()} appends, p50 ${median(times).toFixed(0)} ms; the clients share the machine`,
      },
      {
        what: 'memory per idle SSE client',
        measured: perClient,
        limit: 40,
        unit: 'KiB',
        decimals: 1,
        detail: `resident memory of the API after garbage collection, ${clients.toString()} clients more`,
      },
    ]
  } finally {
    audience.leave()
    await api.stop()
  }
}
