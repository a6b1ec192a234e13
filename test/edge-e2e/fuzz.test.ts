import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startWorld } from './lib/world.ts'
import type { World } from './lib/world.ts'

let world: World
beforeAll(async () => { world = await startWorld() })
afterAll(async () => { await world.stop() })

/** Sends bytes as they are. @returns the status, or 0 where the connection was closed without one */
function raw(text: string): Promise<number> {
  const { hostname, port } = new URL(world.edge.directUrl)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => { socket.end(text) })
    let answer = ''
    socket.on('data', (data) => { answer += data.toString('latin1') })
    socket.on('error', () => undefined).on('close', () => { resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)) })
    socket.setTimeout(10_000, () => { socket.destroy() })
  })
}

const token = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_'), minLength: 1, maxLength: 12 })
const value = fc.string({ unit: fc.constantFrom(...'abcXYZ019 %;,=.:/\\"\'()<>[]{}+*?&#@!~`|^$-_é'), maxLength: 40 })
const header = fc.tuple(
  fc.oneof(token, fc.constantFrom('cookie', 'authorization', 'x-request-id', 'traceparent', 'x-forwarded-for', 'connection', 'te', 'upgrade', 'range', 'idempotency-key')),
  fc.oneof(value, value.map((text) => `opencode-region=${text}`), value.map((text) => `Bearer a.${btoa(encodeURIComponent(text))}.c`)),
)
const request = fc.record({
  method: fc.oneof({ weight: 4, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD') }, token.map((text) => text.toUpperCase())),
  path: fc.oneof(fc.webPath(), value.map((text) => `/${text.replaceAll(' ', '+')}`), fc.constantFrom('/', '/%', '/__edge/health', '/__edge/', '//', '/internal')),
  headers: fc.array(header, { maxLength: 6 }),
  body: fc.oneof(fc.constant(''), value),
})

it('answers 1,000 odd requests, none with a failure of its own', async () => {
  const statuses = new Map<number, number>()
  await fc.assert(fc.asyncProperty(request, async ({ method, path, headers, body }) => {
    const lines = headers.map(([name, text]) => `${name}: ${text}\r\n`).join('')
    const length = body === '' ? '' : `content-length: ${Buffer.byteLength(body).toString()}\r\n`
    const status = await raw(`${method} ${path} HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n${length}${lines}\r\n${body}`)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    return status !== 500 && status !== 502
  }), { numRuns: 1_000, seed: 20_261_124 })
  // Most must have got through, or the test tells nothing.
  expect(statuses.get(200)).toBeGreaterThan(300)
}, 180_000)
