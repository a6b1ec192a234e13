import { connect } from 'node:net'
import type { Target } from './settings.ts'

/** Time a connection has to come about, ms; what takes longer is out of reach. */
const TIMEOUT = 3_000

/** Which of these addresses can be reached from here: a network that enforces nothing is told so, not trusted. */
export async function reachable(targets: readonly Target[]): Promise<Target[]> {
  const found = await Promise.all(
    targets.map(async (target) => ((await opens(target)) ? [target] : [])),
  )
  return found.flat()
}

function opens({ host, port }: Target): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: TIMEOUT })
    const end = (isOpen: boolean) => {
      socket.destroy()
      done(isOpen)
    }
    socket.on('connect', () => {
      end(true)
    })
    socket.on('timeout', () => {
      end(false)
    })
    socket.on('error', () => {
      end(false)
    })
  })
}
