import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createProxy, type Server } from 'node:http'
import { createServer } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { egressAgent } from '../../services/runtime/egress.ts'
import { run } from './support/process.ts'

const folder = mkdtempSync(join(tmpdir(), 'opencode-egress-'))
const file = (name: string): string => join(folder, name)
/** What the proxy was asked to connect to. */
let asked: string[] = []
let proxy: Server
let provider: Server
let token: string

const portOf = (server: Server): string => (server.address() as AddressInfo).port.toString()
const listen = (server: Server): Promise<void> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

beforeAll(async () => {
  run('openssl', [
    ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(' '),
    ...['-subj', '/CN=provider', '-addext', 'subjectAltName=DNS:provider.test,DNS:localhost'],
    ...['-keyout', file('tls.key'), '-out', file('tls.crt')],
  ])
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  token = await new SignJWT({ tenant: 'acme' })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setSubject('ann')
    .setIssuer('opencode')
    .setAudience('opencode')
    .setExpirationTime('1h')
    .sign(privateKey)
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] })
  provider = createServer(
    { key: readFileSync(file('tls.key')), cert: readFileSync(file('tls.crt')) },
    (request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(request.url === '/keys' ? keys : 'answered')
    },
  )
  // Names that only the proxy knows, as behind a company's wall.
  proxy = createProxy().on('connect', (request, socket) => {
    asked.push(request.url ?? '')
    const [, port = ''] = (request.url ?? '').split(':')
    const there = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      there.pipe(socket)
      socket.pipe(there)
    })
    for (const one of [there, socket]) one.on('error', () => there.destroy())
  })
  await Promise.all([listen(provider), listen(proxy)])
})
afterAll(() => {
  proxy.close()
  provider.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  asked = []
})

/** Runs a model call and a fetch of keys in a process with these variables. */
async function call(host: string, env: Record<string, string>): Promise<string> {
  const root = join(import.meta.dirname, '..', '..')
  const loader = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
  const child = join(import.meta.dirname, 'support', 'egress-child.ts')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', loader, child, `https://${host}:${portOf(provider)}`, token],
    { env: { PATH: process.env['PATH'] ?? '', ...env } },
  )
  return stdout
}

describe('calls that leave the cluster', () => {
  const authority = { NODE_EXTRA_CA_CERTS: file('tls.crt') }
  const throughProxy = () => ({ HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}`, ...authority })

  it('GIVEN a proxy and a private authority THEN model calls and key sets go through the one and trust the other', async () => {
    expect(await call('provider.test', throughProxy())).toBe('model: answered\nkeys: ann\n')
    const target = `provider.test:${portOf(provider)}`
    expect(asked).toEqual([target, target])
  })

  it('GIVEN a host of NO_PROXY THEN it is reached directly', async () => {
    const env = { ...throughProxy(), NO_PROXY: '.svc,localhost' }
    expect(await call('localhost', env)).toBe('model: answered\nkeys: ann\n')
    expect(asked).toEqual([])
  })

  it('GIVEN no private authority THEN a certificate that nobody vouches for is refused, through the proxy too', async () => {
    const { HTTPS_PROXY } = throughProxy()
    expect(await call('provider.test', { HTTPS_PROXY })).toMatch(/^failed: .*\n$/)
    expect(asked).toHaveLength(1)
  })

  it.each(['proxy:3128', 'ftp://proxy', 'http://user:secret@'])(
    'GIVEN HTTPS_PROXY=%s THEN it is refused in one sentence',
    (text) => {
      const make = () => egressAgent({}, { HTTPS_PROXY: text })
      expect(make).toThrow(/^HTTPS_PROXY is .*, which is no proxy\. Give http:\/\/host:port\.$/)
      expect(make).not.toThrow(/secret/)
    },
  )
})
