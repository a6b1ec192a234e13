import { beforeAll, describe, expect, it } from 'vitest'
import { poll } from '../../cluster/poll.ts'
import { send } from '../load/http.ts'
import { query, rules, targets } from '../load/prometheus.ts'
import { tenants } from '../load/target.ts'
import { startDelivery } from './load.ts'
import { panels } from './panels.ts'

/** Traffic of every kind that the dashboards show: requests, streams, connections, a turn with a tool call. */
async function everyKind(): Promise<() => Promise<unknown>> {
  const load = await startDelivery(10)
  const [token = ''] = await tenants('monitoring', 1)
  const { id } = await send<{ id: string }>({
    method: 'POST',
    path: '/session',
    token,
    body: { title: 'a turn to be measured' },
  })
  const body = { parts: [{ type: 'text', text: 'Use a tool for 2 seconds.' }] }
  await send({ method: 'POST', path: `/session/${id}/message`, token, body, deadlineMs: 180_000 })
  return () => load.stop()
}

describe('Prometheus', () => {
  it('reads every pod that the release brings a monitor for', async () => {
    const pools = [
      'opencode/opencode-api',
      'opencode/opencode-websocket',
      'opencode-workers/opencode-worker',
      'opencode/opencode-postgres',
      'opencode/opencode-postgres-pooler',
      'opencode/opencode-redis',
    ]
    const missing = async (): Promise<string[]> => {
      const up = (await targets()).filter(({ health }) => health === 'up')
      return pools.filter(
        (pool) => !up.some((target) => target.pool.startsWith(`podMonitor/${pool}/`)),
      )
    }
    await poll('every target to be up', 120, async () => (await missing()).length === 0, 2000)
    // A pod that is on its way out may be down for a moment.
    await poll(
      'no target to be down',
      60,
      async () => (await targets()).every(({ health }) => health !== 'down'),
      2000,
    )
  })

  it('has read every rule of the release without an error', async () => {
    const all = await rules()
    expect(all.length).toBeGreaterThan(20)
    expect(all.filter(({ health }) => health !== 'ok')).toEqual([])
  })
})

describe('every panel of the dashboards', () => {
  const all = panels()
  let stop: () => Promise<unknown>

  beforeAll(async () => {
    stop = await everyKind()
    return async () => {
      await stop()
    }
  })

  it.each(all)('$dashboard: $title ($ref) returns data', async ({ expression }) => {
    await poll(expression, 90, async () => (await query(expression)).length > 0, 3000)
  })
})
