import { setAll } from '../runtime/metrics.ts'
import type { Services } from './context.ts'

/** Reads what is measured on demand: the queue, the pools, the replicas, sessions. Called when `/metrics` is asked. */
export async function refreshGauges({ metrics, queue, database, turns }: Services): Promise<void> {
  const stats = database.stats()
  setAll(
    metrics.poolConnections,
    stats.pools.flatMap(({ pool, total, idle, waiting }) => [
      { labels: { pool, state: 'idle' }, value: idle },
      { labels: { pool, state: 'used' }, value: total - idle },
      { labels: { pool, state: 'waiting' }, value: waiting },
    ]),
  )
  setAll(
    metrics.replicaLag,
    stats.replicas.map(({ replica, lagSeconds }) => ({ labels: { replica }, value: lagSeconds })),
  )
  setAll(
    metrics.replicaHealthy,
    stats.replicas.map(({ replica, healthy }) => ({ labels: { replica }, value: healthy ? 1 : 0 })),
  )
  const { sessions, oldest } = await turns.load()
  metrics.activeSessions.set(sessions)
  metrics.queueOldest.set({ queue: 'turns' }, oldest)
  const counts = await queue.counts()
  setAll(
    metrics.queueDepth,
    Object.entries(counts).map(([state, value]) => ({ labels: { queue: 'turns', state }, value })),
  )
}
