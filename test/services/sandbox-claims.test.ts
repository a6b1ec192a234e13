import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { SandboxPod, SandboxPods } from '../../services/api/sandboxes/pods.ts'
import { Steadiness } from '../../services/api/turns/steadiness.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { ScriptedWorker, type HeldTurn } from './support/scripted-worker.ts'
import { until } from './support/until.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** Pods without anything in them: here it is about rows and who gets what. */
class Pods implements SandboxPods {
  readonly pods = new Map<string, SandboxPod>()
  /** Is called before a claim is looked at, as what others do meanwhile. */
  meanwhile: (pod: SandboxPod) => void = () => undefined
  failure: Error | undefined

  add(change: Partial<SandboxPod> = {}): SandboxPod {
    const uid = randomUUID()
    const pod: SandboxPod = {
      uid,
      name: `pod-${uid.slice(0, 8)}`,
      address: `10.0.0.${(this.pods.size + 1).toString()}:7070`,
      version: '1',
      isClaimed: false,
      isReady: true,
      starts: 0,
      state: 'running',
      ...change,
    }
    this.pods.set(uid, pod)
    return pod
  }

  set(uid: string, change: Partial<SandboxPod>): void {
    const pod = this.pods.get(uid)
    if (pod) this.pods.set(uid, { ...pod, ...change })
  }

  list(): Promise<SandboxPod[]> {
    return Promise.resolve([...this.pods.values()])
  }

  claim(pod: SandboxPod): Promise<boolean> {
    this.meanwhile(pod)
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const now = this.pods.get(pod.uid)
    if (now?.version !== pod.version || now.isClaimed) return Promise.resolve(false)
    this.set(pod.uid, { isClaimed: true, version: `${pod.version}1` })
    return Promise.resolve(true)
  }

  find(_name: string, uid: string): Promise<SandboxPod | undefined> {
    return Promise.resolve(this.pods.get(uid))
  }

  end(_name: string, uid: string): Promise<void> {
    this.pods.delete(uid)
    return Promise.resolve()
  }
}

interface Grant {
  uid: string
  address: string
  ticket: string
}

const pods = new Pods()
let stores: Stores
let api: TestApi
let second: TestApi
let worker: ScriptedWorker

beforeAll(async () => {
  stores = await startStores()
  const overrides = { turnSilenceSeconds: 3_600 }
  api = await startTestApi(stores, overrides, undefined, pods)
  second = await startTestApi(stores, overrides, undefined, pods)
  worker = new ScriptedWorker(api.url, stores)
})
afterAll(async () => {
  await Promise.all([api.stop(), second.stop()])
  await stores.stop()
})
beforeEach(async () => {
  await Promise.all([api.leader?.close(), second.leader?.close()])
  await stores.postgres.primary.query('DELETE FROM sandboxes')
  pods.pods.clear()
  pods.meanwhile = () => undefined
  pods.failure = undefined
})

/** A turn that a worker holds, of a session of its own or a given one. */
async function held(tenant = 'acme', sessionID?: string): Promise<HeldTurn> {
  const client = new Client(api.url, await token(tenant))
  const id = sessionID ?? (await client.call<{ id: string }>('POST', '/session', {})).id
  await client.call('POST', `/session/${id}/prompt_async`, {
    parts: [{ type: 'text', text: 'hello' }],
  })
  return worker.claim(id)
}

const ask = (turn: HeldTurn, at = api) =>
  new ScriptedWorker(at.url, stores).send(turn.id, 'POST', '/sandbox', { fence: turn.fence })
/** Asks until there is one, as workers do: an API looks at the pods twice a second at most. */
const grant = async (turn: HeldTurn, at = api) => {
  let response = await ask(turn, at)
  await until(async () => {
    if (response.status === 503) response = await ask(turn, at)
    return response.status !== 503
  }, 30_000)
  return (await response.json()) as Grant
}
const end = async (turn: HeldTurn, uid: string, reason: string) =>
  (await (
    await worker.send(turn.id, 'POST', '/sandbox/end', { fence: turn.fence, uid, reason })
  ).json()) as { losses: number }
const complete = (turn: HeldTurn, sandbox: 'keep' | 'end') =>
  worker.send(turn.id, 'POST', '/complete', {
    fence: turn.fence,
    outcome: 'completed',
    response: { status: 200, headers: {}, body: {} },
    sandbox,
  })
const rows = () =>
  stores.postgres.primary.query<{
    uid: string
    status: string
    turn_id: string | null
    fence: string
  }>('SELECT uid, status, turn_id, fence FROM sandboxes ORDER BY claimed_at')
const age = (uid: string, column: 'used_at' | 'claimed_at', seconds: number) =>
  stores.postgres.primary.query(
    `UPDATE sandboxes SET ${column} = now() - make_interval(secs => $2) WHERE uid = $1`,
    [uid, seconds],
  )

describe('GIVEN a pool', () => {
  test('WHEN a turn asks THEN it gets a pod, and its session the same one again, each time with a higher fence', async () => {
    const pod = pods.add()
    const turn = await held()
    const first = await grant(turn)
    expect(first).toMatchObject({ uid: pod.uid, address: pod.address })
    expect(pods.pods.get(pod.uid)?.isClaimed).toBe(true)
    const fence = ({ ticket }: Grant) =>
      (
        JSON.parse(Buffer.from(ticket.split('.')[1] ?? '', 'base64url').toString()) as {
          fence: number
        }
      ).fence
    expect(fence(await grant(turn))).toBe(fence(first) + 1)
    expect((await complete(turn, 'keep')).status).toBe(200)
    expect(await rows()).toMatchObject([{ uid: pod.uid, status: 'awake', turn_id: null }])
    const next = await grant(await held('acme', turn.sessionID))
    expect(next.uid).toBe(pod.uid)
    expect(fence(next)).toBe(fence(first) + 2)
  })

  test('WHEN it is empty, or has only pods that are not ready THEN the worker is told to ask again', async () => {
    pods.add({ isReady: false })
    pods.add({ state: 'leaving' })
    pods.add({ address: undefined })
    const response = await ask(await held())
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ type: 'no-sandbox' })
    expect(await rows()).toEqual([])
  })

  test('WHEN sessions of two tenants ask at two APIs at once THEN none shares a pod', async () => {
    for (let count = 0; count < 6; count++) pods.add()
    const turns = await Promise.all(
      Array.from({ length: 6 }, (_, index) => held(`tenant-${(index % 2).toString()}`)),
    )
    const granted = await Promise.all(
      turns.map((turn, index) => grant(turn, index % 2 === 0 ? api : second)),
    )
    expect(new Set(granted.map(({ uid }) => uid)).size).toBe(6)
    expect(await rows()).toHaveLength(6)
  })

  test('WHEN a pod changes between list and claim THEN the turn gets another one', async () => {
    const [one, two] = [pods.add(), pods.add()]
    const seen: string[] = []
    pods.meanwhile = ({ uid }) => {
      // Of an older list.
      if (!pods.pods.has(uid)) return
      if (seen.length === 0) pods.set(uid, { version: '2', isReady: false })
      seen.push(uid)
    }
    const { uid } = await grant(await held())
    expect(uid).toBe(seen[1])
    expect([one.uid, two.uid]).toContain(uid)
    expect(await rows()).toMatchObject([{ uid }])
  })

  test('WHEN it is not known whether a claim came through THEN the pod is ended and nobody gets it', async () => {
    pods.add()
    pods.failure = new Error('no answer')
    const turn = await held()
    await until(async () => {
      expect((await ask(turn)).status).toBe(503)
      return pods.pods.size === 0
    }, 30_000)
    expect(await rows()).toEqual([])
  })

  test('WHEN the worker is a stale one THEN it gets no ticket and ends nothing', async () => {
    const pod = pods.add()
    const turn = await held()
    await grant(turn)
    const current = await worker.claimTurn(turn.id, turn.sessionID)
    expect((await ask(turn)).status).toBe(409)
    expect(
      (
        await worker.send(turn.id, 'POST', '/sandbox/end', {
          fence: turn.fence,
          uid: pod.uid,
          reason: 'gone',
        })
      ).status,
    ).toBe(409)
    expect((await grant(current)).uid).toBe(pod.uid)
  })

  test("WHEN a worker names another session's sandbox THEN that one lives on", async () => {
    pods.add()
    pods.add()
    const [mine, theirs] = [await held('acme'), await held('other')]
    await grant(mine)
    const { uid } = await grant(theirs)
    await end(mine, uid, 'crash')
    expect(pods.pods.has(uid)).toBe(true)
    expect(await rows()).toContainEqual(expect.objectContaining({ uid, status: 'awake' }))
  })
})

describe('GIVEN a turn that has lost its sandbox', () => {
  test.each([
    ['crash', 'running', 1],
    ['hang', 'running', 1],
    ['memory', 'running', 1],
    ['gone', 'ended', 1],
    ['gone', 'running', 1],
    ['silent', 'running', 1],
    ['unreached', 'ended', 1],
    // Not its own doing: before anything was asked, or drained, evicted, deleted.
    ['unreached', 'running', 0],
    ['unusable', 'running', 0],
    ['gone', 'leaving', 0],
    ['silent', 'leaving', 0],
    ['gone', undefined, 0],
    ['silent', undefined, 0],
  ] as const)(
    'WHEN it was %s and the pod is %s THEN that counts %i',
    async (reason, state, losses) => {
      const turn = await held()
      const { uid } = pods.add()
      await grant(turn)
      if (state === undefined) pods.pods.delete(uid)
      else pods.set(uid, { state })
      expect(await end(turn, uid, reason)).toEqual({ losses })
      expect(pods.pods.has(uid)).toBe(false)
      const next = pods.add()
      expect((await grant(turn)).uid).toBe(next.uid)
    },
  )
})

describe('GIVEN a leader that looks', () => {
  const round = async () => {
    await api.leader?.round()
  }
  const awake = async (tenant?: string) => {
    const pod = pods.add()
    const turn = await held(tenant)
    await grant(turn)
    await complete(turn, 'keep')
    return { pod, turn }
  }

  test('WHEN a sandbox is idle or too old THEN it is ended; one with a turn is not', async () => {
    const [idle, old, fresh] = [await awake(), await awake(), await awake()]
    const { uid } = pods.add()
    const busy = await held()
    expect((await grant(busy)).uid).toBe(uid)
    await age(idle.pod.uid, 'used_at', 601)
    await age(old.pod.uid, 'claimed_at', 86_401)
    await age(uid, 'used_at', 3_600)
    await age(uid, 'claimed_at', 90_000)
    await round()
    expect(new Set(pods.pods.keys())).toEqual(new Set([fresh.pod.uid, uid]))
    await round()
    expect((await rows()).map((row) => row.uid)).toEqual(
      expect.arrayContaining([fresh.pod.uid, uid]),
    )
    expect(await rows()).toHaveLength(2)
  })

  test('WHEN a turn has ended its sandbox THEN the next turn gets another', async () => {
    const { uid } = pods.add()
    const turn = await held()
    await grant(turn)
    await complete(turn, 'end')
    const next = pods.add()
    expect((await grant(await held('acme', turn.sessionID))).uid).toBe(next.uid)
    await round()
    expect([...pods.pods.keys()]).toEqual([next.uid])
    expect(await rows()).toMatchObject([{ uid: next.uid }])
    expect(uid).not.toBe(next.uid)
  })

  test('WHEN a claimed pod has no row THEN it is ended; what waits is left alone', async () => {
    const orphan = pods.add({ isClaimed: true })
    const waiting = pods.add()
    await round()
    expect([...pods.pods.keys()]).toEqual([waiting.uid])
    expect(api.logs()).toContain(orphan.name)
  })

  test('WHEN a row has no pod THEN it is forgotten, but not while the claim is young', async () => {
    const { pod } = await awake()
    pods.pods.delete(pod.uid)
    await round()
    expect(await rows()).toHaveLength(1)
    await age(pod.uid, 'claimed_at', 31)
    await round()
    expect(await rows()).toEqual([])
  })

  test('WHEN a container has ended between two turns, its session was deleted, or its turn ended without a worker THEN the sandbox is ended', async () => {
    const [spent, deleted] = [await awake(), await awake()]
    pods.set(spent.pod.uid, { state: 'ended' })
    const client = new Client(api.url, await token('acme'))
    await client.call('DELETE', `/session/${deleted.turn.sessionID}`)
    pods.add()
    const lost = await held()
    await grant(lost)
    await stores.postgres.primary.query(`UPDATE turns SET status = 'dead' WHERE id = $1`, [lost.id])
    await round()
    expect(pods.pods.size).toBe(0)
  })

  test('WHEN several APIs look at once THEN one of them does', async () => {
    const { pod } = await awake()
    await age(pod.uid, 'used_at', 601)
    await Promise.all([api.leader?.round(), second.leader?.round()])
    expect(pods.pods.size).toBe(0)
  })
})

describe('GIVEN as many awake sandboxes as there may be', () => {
  test('WHEN another session asks THEN the one that was used the longest time ago is ended for it', async () => {
    const limited = await startTestApi(
      stores,
      { turnSilenceSeconds: 3_600, sandboxes: { ...api.services.config.sandboxes, maxAwake: 2 } },
      undefined,
      pods,
    )
    await limited.leader?.close()
    try {
      const first = pods.add()
      const one = await held()
      await grant(one, limited)
      await complete(one, 'keep')
      await age(first.uid, 'used_at', 60)
      const recent = pods.add()
      const two = await held()
      await grant(two, limited)
      await complete(two, 'keep')
      const third = pods.add()
      const turn = await held('third')
      expect((await ask(turn, limited)).status).toBe(503)
      await limited.leader?.round()
      expect(pods.pods.has(first.uid)).toBe(false)
      expect(pods.pods.has(recent.uid)).toBe(true)
      expect((await grant(turn, limited)).uid).toBe(third.uid)
    } finally {
      await limited.stop()
    }
  })
})

describe('GIVEN a database that answers', () => {
  test('WHEN it has answered all along THEN silence counts; after a pause it does not for as long again', () => {
    let now = 0
    const steadiness = new Steadiness(() => now)
    const look = (milliseconds: number) => {
      now += milliseconds
      return steadiness.patience(3)
    }
    expect(Array.from({ length: 7 }, () => look(500)).at(-2)).toBeUndefined()
    expect(look(500)).toBe(3)
    expect(look(6_000)).toBeUndefined()
    expect(
      Array.from({ length: 5 }, () => look(500)).every((patience) => patience === undefined),
    ).toBe(true)
    expect(look(500)).toBe(3)
    // One that answers only every few seconds still tells of workers that are silent for long.
    expect(Array.from({ length: 8 }, () => look(2_000)).at(-1)).toBe(10)
    expect(Array.from({ length: 8 }, () => look(6_000)).at(-1)).toBe(30)
  })
})
