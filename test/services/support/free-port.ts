import { createSocket } from 'node:dgram'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

// Linux gives 32768 and up to outgoing connections and to `listen(0)`: such a port may be taken between the question and its use.
const FIRST = 20_000
const END = 30_000
const ATTEMPTS = 200

/**
 * A TCP port that nobody listens on and that nobody else is given while this process lives.
 *
 * A server that is started somewhat later, or again, finds it still free. The UDP port of the same number is held as the mark:
 * the kernel shows it to every process and frees it with this one.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST, END)
    if ((await reserved(port)) && (await unused(port))) return port
  }
  throw new Error(
    `none of ${ATTEMPTS.toString()} ports between ${FIRST.toString()} and ${END.toString()} was free`,
  )
}

async function reserved(port: number): Promise<boolean> {
  const mark = createSocket({ type: 'udp4' }).bind({ port, address: '127.0.0.1', exclusive: true })
  try {
    await once(mark, 'listening')
  } catch (error) {
    return taken(error)
  }
  mark.unref()
  return true
}

async function unused(port: number): Promise<boolean> {
  const server = createServer().listen({ port, exclusive: true })
  try {
    await once(server, 'listening')
  } catch (error) {
    return taken(error)
  }
  await new Promise((resolve) => server.close(resolve))
  return true
}

function taken(error: unknown): false {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false
  throw error
}
