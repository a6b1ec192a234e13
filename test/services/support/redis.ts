import { chownSync, copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'
import { accountOf, ServerProcess, tempDir } from './process.ts'

/** One Redis server on loopback, in memory only. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Port of TLS, where it was asked for; 0 otherwise. */
  readonly tlsPort: number
  start(): Promise<void>
  /** Ends it at once: everything in it is gone. */
  kill(): Promise<void>
  /** Stops it in the middle of whatever it does, as a node that is gone without a word. @returns what lets it go on */
  freeze(): () => void
  stop(): Promise<void>
}

/** What else a Redis may have. */
export interface RedisFeatures {
  /** Certificate and key of a second port, files. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** One more user, as `ACL SETUSER` writes it. */
  readonly acl?: string
}

/** Starts Debian's Redis with nothing on disk. @param password - Who does not know it gets in nowhere; absent: none is asked for. */
export async function startRedis(
  password?: string,
  { tls, acl }: RedisFeatures = {},
): Promise<RedisServer> {
  const account = accountOf('redis')
  const root = tempDir('redis', account)
  const port = await freePort()
  const tlsPort = tls ? await freePort() : 0
  const own = (source: string, name: string): string => {
    const path = join(root, name)
    copyFileSync(source, path)
    if (account.uid !== undefined && account.gid !== undefined)
      chownSync(path, account.uid, account.gid)
    return path
  }
  const args = [
    '--port',
    port.toString(),
    '--bind',
    '127.0.0.1',
    '--dir',
    root,
    '--save',
    '',
    '--appendonly',
    'no',
    ...(password === undefined ? [] : ['--requirepass', password]),
    ...(acl === undefined ? [] : ['--user', ...acl.split(' ')]),
    ...(tls === undefined
      ? []
      : [
          ...['--tls-port', tlsPort.toString(), '--tls-auth-clients', 'no'],
          ...[
            '--tls-cert-file',
            own(tls.cert, 'tls.crt'),
            '--tls-key-file',
            own(tls.key, 'tls.key'),
          ],
        ]),
  ]
  const url = `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port.toString()}`
  const server = new ServerProcess('/usr/bin/redis-server', args, account)
  const start = (): Promise<void> =>
    server.start(async () => {
      const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
      client.on('error', () => undefined)
      try {
        await client.connect()
        return (await client.ping()) === 'PONG'
      } catch {
        return false
      } finally {
        client.disconnect()
      }
    })
  await start()
  return {
    port,
    tlsPort,
    url,
    start,
    kill: () => server.stop('SIGKILL'),
    freeze: () => {
      server.signal('SIGSTOP')
      return () => {
        server.signal('SIGCONT')
      }
    },
    stop: async () => {
      await server.stop('SIGKILL')
      rmSync(root, { recursive: true, force: true })
    },
  }
}
