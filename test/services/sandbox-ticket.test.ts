import { generateKeyPairSync } from 'node:crypto'
import { connect, type ClientHttp2Session } from 'node:http2'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Tickets } from '../../services/api/sandboxes/ticket.ts'
import { ticketAudience } from '../../services/protocol/sandbox.ts'
import { LocalSandboxes, ticketPrivateKey, type LocalSandbox } from './support/local-sandboxes.ts'
import { tempDir } from './support/process.ts'
import { until } from './support/until.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 })

let pool: LocalSandboxes
let sandbox: LocalSandbox
const tickets = new Tickets(ticketPrivateKey)
const other = new Tickets(
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
)
const open: ClientHttp2Session[] = []

beforeAll(async () => {
  pool = await LocalSandboxes.start({ workspaceRoot: tempDir('workspace') })
  const [first] = pool.sandboxes.values()
  if (first === undefined) throw new Error('there is no sandbox')
  sandbox = first
})
afterAll(async () => {
  for (const session of open) session.destroy()
  await pool.stop()
})

function dial(): ClientHttp2Session {
  const session = connect(`http://${sandbox.address}`)
  session.on('error', () => undefined)
  open.push(session)
  return session
}

function send(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): Promise<number> {
  return new Promise((done, fail) => {
    const method = path === '/status' ? 'GET' : 'POST'
    const stream = session.request({ ':method': method, ':path': path, ...headers })
    stream.on('response', (said) => {
      done(said[':status'] ?? 0)
    })
    stream.on('error', fail)
    stream.on('close', () => {
      fail(new Error('closed'))
    })
    stream.end(method === 'POST' ? JSON.stringify({ protocol: 1, config: {} }) : undefined)
    stream.resume()
  })
}

const begin = (session: ClientHttp2Session, ticket: string) =>
  send(session, '/begin', { authorization: `Bearer ${ticket}` })
const ticket = (fence: number, pod: string = sandbox.uid) =>
  tickets.sign({ pod, turn: 'turn_one', fence })

describe('GIVEN a sandbox', () => {
  test('WHEN somebody comes without a ticket THEN nothing is answered', async () => {
    const session = dial()
    expect(await send(session, '/status')).toBe(403)
    expect(await begin(session, '')).toBe(401)
    expect(await send(session, '/relay')).toBe(403)
  })

  test('WHEN a ticket is forged, for another pod, expired or unsigned THEN it is refused', async () => {
    const session = dial()
    const claims = { pod: sandbox.uid, turn: 'turn_one', fence: 7 }
    expect(await begin(session, await other.sign(claims))).toBe(401)
    expect(await begin(session, await ticket(7, 'another-pod'))).toBe(401)
    const past = new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA' })
      .setAudience(ticketAudience)
      .setExpirationTime(Math.floor(Date.now() / 1000) - 60)
    const { importPKCS8 } = await import('jose')
    expect(
      await begin(session, await past.sign(await importPKCS8(ticketPrivateKey, 'EdDSA'))),
    ).toBe(401)
    const forever = new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA' })
      .setAudience(ticketAudience)
    expect(
      await begin(session, await forever.sign(await importPKCS8(ticketPrivateKey, 'EdDSA'))),
    ).toBe(401)
    const elsewhere = new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA' })
      .setAudience('opencode-turn')
      .setExpirationTime('60s')
    expect(
      await begin(session, await elsewhere.sign(await importPKCS8(ticketPrivateKey, 'EdDSA'))),
    ).toBe(401)
    const [head, body] = (await ticket(7)).split('.')
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
    expect(await begin(session, `${none}.${body ?? ''}.`)).toBe(401)
    expect(await begin(session, `${head ?? ''}.${body ?? ''}.`)).toBe(401)
    expect(await send(session, '/status')).toBe(403)
  })

  test('WHEN a higher fence comes THEN the older connection is dropped, and neither it nor a replay gets back in', async () => {
    const [first, second] = [dial(), dial()]
    const used = await ticket(2)
    expect(await begin(first, used)).toBe(200)
    expect(await send(first, '/status')).toBe(200)
    expect(await begin(second, used)).toBe(401)
    expect(await begin(second, await ticket(1))).toBe(401)
    expect(await send(second, '/status')).toBe(403)
    expect(await begin(second, await ticket(3))).toBe(200)
    await until(() => first.destroyed, 10_000, 'the older connection to end')
    expect(await send(second, '/status')).toBe(200)
    const third = dial()
    expect(await begin(third, await ticket(3))).toBe(401)
    expect(await send(second, '/status')).toBe(200)
  })
})
