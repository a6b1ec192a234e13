import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startWorld } from './lib/world.ts'
import type { World } from './lib/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ settings: { headerTimeout: 60_000 } })
})
afterAll(async () => {
  await world.stop()
})

/** Sends bytes as they are. @returns the status, or 0 where the connection was closed without one */
function raw(text: string): Promise<number> {
  const { hostname, port } = new URL(world.edge.directUrl)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.end(text)
    })
    let answer = ''
    socket.on('data', (data) => {
      answer += data.toString('latin1')
    })
    socket
      .on('error', () => undefined)
      .on('close', () => {
        resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0))
      })
    socket.setTimeout(60_000, () => {
      socket.destroy()
    })
  })
}

const token = fc.string({
  unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_'),
  minLength: 1,
  maxLength: 12,
})
const value = fc.string({
  unit: fc.constantFrom(...'abcXYZ019 %;,=.:/\\"\'()<>[]{}+*?&#@!~`|^$-_é'),
  maxLength: 40,
})
const header = fc.tuple(
  fc.oneof(
    token,
    fc.constantFrom(
      'cookie',
      'authorization',
      'x-request-id',
      'traceparent',
      'x-forwarded-for',
      'connection',
      'te',
      'upgrade',
      'range',
      'idempotency-key',
    ),
  ),
  fc.oneof(
    value,
    value.map((text) => `opencode-region=${text}`),
    value.map((text) => `Bearer a.${btoa(encodeURIComponent(text))}.c`),
  ),
)
const request = fc.record({
  method: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'),
    },
    token.map((text) => text.toUpperCase()),
  ),
  path: fc.oneof(
    fc.webPath(),
    value.map((text) => `/${text.replaceAll(' ', '+')}`),
    fc.constantFrom('/', '/%', '/__edge/health', '/__edge/', '//', '/internal'),
  ),
  headers: fc.array(header, { maxLength: 6 }),
  body: fc.oneof(fc.constant(''), value),
})

it('answers 1,000 odd requests, none with a failure of its own', async () => {
  const statuses: number[] = []
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 20, maxLength: 20 }), async (requests) => {
      const answers = await Promise.all(
        requests.map(({ method, path, headers, body }) => {
          const lines = headers.map(([name, text]) => `${name}: ${text}\r\n`).join('')
          const length =
            body === '' ? '' : `content-length: ${Buffer.byteLength(body).toString()}\r\n`
          return raw(
            `${method} ${path} HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n${length}${lines}\r\n${body}`,
          )
        }),
      )
      statuses.push(...answers)
      // 501 is workerd's own answer to a method that HTTP does not know: the Worker never sees it.
      expect(answers.filter((status) => status >= 500 && status !== 501)).toEqual([])
    }),
    { numRuns: 50, seed: 20_261_124, endOnFailure: true },
  )
  expect(statuses).toHaveLength(1_000)
  // Most must have got through, or the test tells nothing.
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(300)
}, 180_000)
