import { setTimeout as delay } from 'node:timers/promises'
import { upgradeService } from '../../cluster/service.ts'
import type { Overlay } from '../../schemas/index.ts'
import { options } from '../load/target.ts'
import { served, shareOf } from './data-plane.ts'
import { badVersion } from './bad-version.ts'
import { startDelivery, type Seen } from './load.ts'
import {
  isSettled,
  readRollout,
  waitForDeployment,
  waitForReady,
  waitForRollout,
  waitForVersion,
} from './rollout.ts'

/** What a delivery showed. */
export interface Delivery {
  readonly seen: Seen
  /** From the upgrade until the new version was the only one (or the old one again), seconds. */
  readonly seconds: number
  /** Share of the traffic that the weight asked for, and the share that the new version's pods got. */
  readonly shares: readonly { readonly weight: number; readonly measured: number }[]
}

/** Pods of another template: what a new image would make, without one. */
function newVersion(): { podAnnotations: Record<string, string> } {
  return { podAnnotations: { 'opencode.io/delivered': new Date().toISOString() } }
}

const noShares: Delivery['shares'] = []

/** A weight, and the time that its share is measured over. */
const measuredSteps = [
  { setWeight: 20 },
  { pause: { duration: '1m' } },
  { setWeight: 50 },
  { pause: { duration: '1m' } },
  { setWeight: 100 },
]

async function measured(
  values: Overlay,
  perSecond: number,
  until: (before: string | undefined) => Promise<Delivery['shares']>,
): Promise<Delivery> {
  const before = (await readRollout().catch(() => undefined))?.status.stableRS
  const load = await startDelivery(perSecond)
  await delay(5_000)
  const started = Date.now()
  await upgradeService(options, values)
  let shares: Delivery['shares']
  try {
    shares = await until(before)
  } catch (error) {
    await load.stop().catch(() => undefined)
    throw error
  }
  const seconds = Math.round((Date.now() - started) / 1000)
  await delay(5_000)
  return { seen: await load.stop(), seconds, shares }
}

/** Share of the new version's pods while the Rollout pauses at a weight. */
async function shareAt(weight: number): Promise<{ weight: number; measured: number }> {
  const paused = await waitForRollout(
    `a pause at ${weight} %`,
    300,
    ({ status }) =>
      (status.pauseConditions ?? []).length > 0 && status.canary?.weights?.canary.weight === weight,
  )
  // The gateway takes a moment to hand a weight on to its proxies, and Prometheus ten seconds to read a new pod.
  await delay(12_000)
  const before = await served()
  await delay(30_000)
  return { weight, measured: shareOf(paused.status.currentPodHash ?? '', before, await served()) }
}

/** The API by canary, WebSocket handlers and workers by rolling update, all at once. */
export function canary(perSecond = 10): Promise<Delivery> {
  const version = newVersion()
  const values: Overlay = {
    api: version,
    websocket: version,
    worker: version,
    rollouts: { canary: { steps: measuredSteps } },
  }
  return measured(values, perSecond, async (before) => {
    const shares = [await shareAt(20), await shareAt(50)]
    await waitForVersion(before, 300)
    await waitForDeployment('websocket', 300)
    await waitForDeployment('worker', 300)
    return shares
  })
}

const twoColours: NonNullable<Overlay['rollouts']> = {
  strategy: 'blueGreen',
  blueGreen: { autoPromotionEnabled: true, previewReplicaCount: 2 },
}

/** The API by blue-green: the whole traffic at once, once a smoke test of the preview has passed. */
export async function blueGreen(perSecond = 10): Promise<Delivery> {
  await upgradeService(options, { rollouts: twoColours })
  await waitForRollout('the blue-green strategy', 300, isSettled)
  return measured({ api: newVersion(), rollouts: twoColours }, perSecond, async (before) => {
    await waitForVersion(before, 420)
    return noShares
  })
}

/** The API by its Deployment's own rolling update, as where Argo Rollouts is not installed. */
export async function rolling(perSecond = 10): Promise<Delivery> {
  const rollouts = { enabled: false }
  await upgradeService(options, { rollouts })
  await waitForReady('api', 3, 300)
  return measured({ api: newVersion(), rollouts }, perSecond, async () => {
    await waitForDeployment('api', 300)
    return noShares
  })
}

/** What became of a bad version. */
export interface BadDelivery extends Delivery {
  readonly message: string
  /** Failed requests after the analysis had aborted and the gateway had had time to follow. */
  readonly late: number
}

/** A version that fails one request in twenty: the analysis takes it back, and only the canary's share was in danger. */
export async function aborted(perSecond = 20): Promise<BadDelivery> {
  let abortedAt = Infinity
  let message = ''
  const delivery = await measured(badVersion(), perSecond, async () => {
    const shares = [await shareAt(20)]
    const rollout = await waitForRollout(
      'the analysis to abort',
      420,
      ({ status }) => status.abort === true,
    )
    abortedAt = Date.now()
    message = rollout.status.message ?? ''
    await delay(30_000)
    return shares
  })
  const late = delivery.seen.failures.filter(({ at }) => at > abortedAt + 10_000).length
  return { ...delivery, message, late }
}

/** The good version again, whatever was tried. */
export async function restore(): Promise<void> {
  await upgradeService(options)
  await waitForRollout('the good version', 420, isSettled)
}
