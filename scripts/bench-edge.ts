// `npm run bench:edge`: what the edge Worker costs beside a Worker that only passes requests on, in one run on one machine.
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { startLocalEdge } from '../edge/tools/local.ts'
import { UserError, main } from './lib/user-error.ts'

const limits = { throughput: 0.85, addedP50: 1 }
const rounds = 40
const roundMs = 500
const concurrency = 16
const pairs = 4_000
/** Requests before the measurement: until V8 has compiled what runs often, however slow the machine. */
const warmUp = 8_000
/** A token without a region claim: what most requests carry. */
const authorization = `Bearer ${['{"alg":"HS256"}', '{"sub":"user","tenant":"bench"}', 'signature'].map((part) => btoa(part)).join('.')}`

/** What one bench run found. */
interface Result {
  readonly requestsPerSecond: {
    readonly edge: number
    readonly passthrough: number
    readonly ratio: number
  }
  readonly latencyMs: {
    readonly edge: Percentiles
    readonly passthrough: Percentiles
    readonly added: Percentiles
  }
}

interface Percentiles {
  readonly p50: number
  readonly p99: number
}

async function startOrigin(): Promise<{ server: Server; url: string }> {
  const body = JSON.stringify({
    id: 'ses_0123456789',
    title: 'a session',
    time: { created: 1, updated: 2 },
  })
  const server = createServer((request, response) => {
    request.resume()
    // The API repeats the request's id as well.
    const id = request.headers['x-request-id'] ?? 'none'
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'content-length': body.length,
        'x-request-id': id,
      })
      .end(body)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}` }
}

async function get(pool: Pool): Promise<void> {
  const { statusCode, body } = await pool.request({
    path: '/session/ses_0123456789',
    method: 'GET',
    headers: { authorization },
  })
  await body.dump()
  if (statusCode !== 200) throw new Error(`the benchmark got status ${statusCode.toString()}`)
}

/** Requests per second over one round, which lasts until both limits are reached. */
async function load(pool: Pool, ms: number, requests = 0): Promise<number> {
  const start = performance.now()
  let done = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - start < ms || done < requests) {
        await get(pool)
        done += 1
      }
    }),
  )
  return done / ((performance.now() - start) / 1000)
}

async function time(pool: Pool): Promise<number> {
  const start = performance.now()
  await get(pool)
  return performance.now() - start
}

function percentiles(times: number[]): Percentiles {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
  return { p50: at(0.5), p99: at(0.99) }
}

const median = (values: number[]): number => percentiles(values).p50

/** Many short rounds alternate, so that other load falls on both alike. The ratio is the median of the pairs' ratios. */
async function measure(edge: Pool, passthrough: Pool): Promise<Result> {
  for (let part = 0; part < warmUp; part += 500) {
    for (const pool of [edge, passthrough]) await load(pool, 0, 500)
  }
  const speeds: { edge: number; passthrough: number }[] = []
  for (let round = 0; round < rounds; round += 1) {
    const first = round % 2 === 0 ? edge : passthrough
    const one = await load(first, roundMs)
    const two = await load(first === edge ? passthrough : edge, roundMs)
    speeds.push(first === edge ? { edge: one, passthrough: two } : { edge: two, passthrough: one })
  }
  const times = { edge: [] as number[], passthrough: [] as number[] }
  for (let pair = 0; pair < pairs; pair += 1) {
    times.edge.push(await time(edge))
    times.passthrough.push(await time(passthrough))
  }
  const [a, b] = [percentiles(times.edge), percentiles(times.passthrough)]
  return {
    requestsPerSecond: {
      edge: median(speeds.map((speed) => speed.edge)),
      passthrough: median(speeds.map((speed) => speed.passthrough)),
      ratio: median(speeds.map((speed) => speed.edge / speed.passthrough)),
    },
    latencyMs: { edge: a, passthrough: b, added: { p50: a.p50 - b.p50, p99: a.p99 - b.p99 } },
  }
}

function table({ requestsPerSecond: speed, latencyMs: latency }: Result): string {
  const row = (...cells: string[]): string =>
    cells.map((cell, index) => (index === 0 ? cell.padEnd(22) : cell.padStart(12))).join('')
  return [
    row('', 'edge', 'passthrough', 'difference'),
    row(
      'requests per second',
      speed.edge.toFixed(0),
      speed.passthrough.toFixed(0),
      `× ${speed.ratio.toFixed(3)}`,
    ),
    row(
      'p50 ms, one at a time',
      latency.edge.p50.toFixed(3),
      latency.passthrough.p50.toFixed(3),
      `+ ${latency.added.p50.toFixed(3)}`,
    ),
    row(
      'p99 ms, one at a time',
      latency.edge.p99.toFixed(3),
      latency.passthrough.p99.toFixed(3),
      `+ ${latency.added.p99.toFixed(3)}`,
    ),
  ].join('\n')
}

await main(async () => {
  const origin = await startOrigin()
  const origins = { us: origin.url, eu: origin.url, apac: origin.url }
  const [edge, passthrough] = await Promise.all([
    startLocalEdge({ origins }),
    startLocalEdge({ origins, entry: 'tools/passthrough.ts' }),
  ])
  const pools = [edge, passthrough].map(
    ({ directUrl }) => new Pool(directUrl, { connections: concurrency, keepAliveTimeout: 2_000 }),
  )
  try {
    const [edgePool, passthroughPool] = pools
    if (edgePool === undefined || passthroughPool === undefined) throw new Error('no pools')
    const result = await measure(edgePool, passthroughPool)
    process.stdout.write(`${table(result)}\n${JSON.stringify(result)}\n`)
    const {
      requestsPerSecond: { ratio },
      latencyMs: { added },
    } = result
    if (ratio < limits.throughput)
      throw new UserError(
        `throughput is ${ratio.toFixed(3)} of the passthrough's; at least ${limits.throughput.toString()} is wanted`,
      )
    if (added.p50 > limits.addedP50)
      throw new UserError(
        `the added p50 is ${added.p50.toFixed(3)} ms; at most ${limits.addedP50.toString()} is wanted`,
      )
  } finally {
    await Promise.all(pools.map((pool) => pool.close()))
    await Promise.all([edge.stop(), passthrough.stop()])
    origin.server.close()
    origin.server.closeAllConnections()
  }
})
