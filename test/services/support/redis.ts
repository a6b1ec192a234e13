import { rmSync } from 'node:fs'
import { Redis } from 'ioredis'
import { accountOf, freePort, ServerProcess, tempDir } from './process.ts'

/** One Redis server on loopback, in memory only. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  start(): Promise<void>
  /** Ends it at once: everything in it is gone. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/** Starts Debian's Redis with nothing on disk. */
export async function startRedis(): Promise<RedisServer> {
  const account = accountOf('redis')
  const root = tempDir('redis', account)
  const port = await freePort()
  const args = ['--port', port.toString(), '--bind', '127.0.0.1', '--dir', root, '--save', '', '--appendonly', 'no']
  const server = new ServerProcess('/usr/bin/redis-server', args, account)
  const start = (): Promise<void> => server.start(async () => {
    const client = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null })
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
    port, url: `redis://127.0.0.1:${port.toString()}`, start,
    kill: () => server.stop('SIGKILL'),
    stop: async () => {
      await server.stop('SIGKILL')
      rmSync(root, { recursive: true, force: true })
    },
  }
}
