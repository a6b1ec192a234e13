import { rmSync } from 'node:fs'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'
import { accountOf, ServerProcess, tempDir } from './process.ts'

/** One Redis server on loopback, in memory only. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  start(): Promise<void>
  /** Ends it at once: everything in it is gone. */
  kill(): Promise<void>
  /** Stops it in the middle of whatever it does, as a node that is gone without a word. @returns what lets it go on */
  freeze(): () => void
  stop(): Promise<void>
}

/** Starts Debian's Redis with nothing on disk. @param password - Who does not know it gets in nowhere; absent: none is asked for. */
export async function startRedis(password?: string): Promise<RedisServer> {
  const account = accountOf('redis')
  const root = tempDir('redis', account)
  const port = await freePort()
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
