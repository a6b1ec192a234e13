// `npm run drill:edge`: three origins, steady load, one is killed and comes back. Prints what clients noticed.
import { startLocalEdge } from '../edge/tools/local.ts'
import { Origin } from '../test/edge-e2e/lib/origin.ts'
import { UserError, main } from './lib/user-error.ts'

const loadMs = { before: 3_000, down: 15_000, after: 25_000 }
/** One idempotent and one other request each, milliseconds. */
const every = 20

/** One request of the load. */
interface Sample {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** When it was sent, ms on the monotonic clock. */
  readonly at: number
  readonly ok: boolean
  /** The region that served it. */
  readonly region: string | null
}

/** What the drill found; times in milliseconds. */
interface Result {
  readonly requests: { readonly GET: number; readonly POST: number }
  /** From the kill until the last request that failed or was sent to the dead region first. */
  readonly lastFailureMs: number
  /** From the kill until the first request that another region served. */
  readonly failedOverMs: number
  readonly failedIdempotent: number
  readonly failedOther: number
  /** Of those, the ones sent before the failure could be known: under way at the kill, or the first ones after it. */
  readonly failedOtherAtKill: number
  readonly duplicates: number
  /** From the restart until it is used again. */
  readonly usedAgainMs: number
}

async function send(url: string, method: 'GET' | 'POST', number: number): Promise<Sample> {
  const path = `/${method}/${number.toString()}`
  const at = performance.now()
  try {
    const response = await fetch(url + path, {
      method,
      ...(method === 'POST' ? { body: 'prompt' } : {}),
    })
    await response.arrayBuffer()
    return { method, path, at, ok: response.ok, region: response.headers.get('x-region') }
  } catch {
    return { method, path, at, ok: false, region: null }
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function drill(): Promise<Result> {
  const origins = await Promise.all(
    ['us', 'eu', 'apac'].map((region) => new Origin(region).start()),
  )
  const [us] = origins
  if (us === undefined) throw new Error('no origin')
  const edge = await startLocalEdge({
    origins: Object.fromEntries(origins.map(({ region, url }) => [region, url])),
  })
  try {
    const pending: Promise<Sample>[] = []
    const load = setInterval(() => {
      for (const method of ['GET', 'POST'] as const)
        pending.push(send(edge.url, method, pending.length))
    }, every)
    await sleep(loadMs.before)
    await us.kill()
    const killed = performance.now()
    await sleep(loadMs.down)
    await us.start()
    const restarted = performance.now()
    await sleep(loadMs.after)
    clearInterval(load)
    const samples = await Promise.all(pending)
    return evaluate(
      samples,
      killed,
      restarted,
      origins.flatMap(({ received }) => received),
    )
  } finally {
    await Promise.all([edge.stop(), ...origins.map((origin) => origin.kill())])
  }
}

function evaluate(
  samples: readonly Sample[],
  killed: number,
  restarted: number,
  received: readonly string[],
): Result {
  const failed = samples.filter(({ ok }) => !ok)
  const other = failed.filter(({ method }) => method === 'POST')
  const after = (from: number, found: Sample | undefined): number =>
    found === undefined ? Infinity : Math.max(0, found.at - from)
  const posts = received.filter((line) => line.startsWith('POST'))
  return {
    requests: {
      GET: samples.filter(({ method }) => method === 'GET').length,
      POST: samples.filter(({ method }) => method === 'POST').length,
    },
    lastFailureMs: Math.max(0, ...failed.map(({ at }) => at - killed)),
    failedOverMs: after(
      killed,
      samples.find(({ at, ok, region }) => at >= killed - every && ok && region !== 'us'),
    ),
    failedIdempotent: failed.length - other.length,
    failedOther: other.length,
    failedOtherAtKill: other.filter(({ at }) => at < killed + 2 * every).length,
    duplicates: posts.length - new Set(posts).size,
    usedAgainMs: after(
      restarted,
      samples.find(({ at, region }) => at >= restarted && region === 'us'),
    ),
  }
}

function table(result: Result): string {
  const ms = (value: number): string => `${value.toFixed(0)} ms`
  const rows: [string, string][] = [
    [
      'requests (idempotent / other)',
      `${result.requests.GET.toString()} / ${result.requests.POST.toString()}`,
    ],
    ['kill → first request served elsewhere', ms(result.failedOverMs)],
    ['kill → last failed request', ms(result.lastFailureMs)],
    ['failed idempotent requests', result.failedIdempotent.toString()],
    ['failed other requests', result.failedOther.toString()],
    ['  of these sent before the failure was known', result.failedOtherAtKill.toString()],
    ['other requests received twice', result.duplicates.toString()],
    ['restart → used again', ms(result.usedAgainMs)],
  ]
  return rows.map(([name, value]) => name.padEnd(48) + value.padStart(16)).join('\n')
}

await main(async () => {
  const result = await drill()
  process.stdout.write(`${table(result)}\n${JSON.stringify(result)}\n`)
  if (result.failedIdempotent > 0)
    throw new UserError(
      `${result.failedIdempotent.toString()} idempotent requests failed; none may`,
    )
  if (result.duplicates > 0)
    throw new UserError(`${result.duplicates.toString()} requests were received twice; none may be`)
  if (result.failedOther > result.failedOtherAtKill)
    throw new UserError('requests failed after the failure was known')
  if (result.usedAgainMs === Infinity) throw new UserError('the region was not used again')
})
