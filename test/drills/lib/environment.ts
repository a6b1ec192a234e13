import { readFileSync } from 'node:fs'
import { cpus, loadavg, release as kernel, totalmem } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { bringUpCluster } from '../../../cluster/bring-up.ts'
import { userToken, waitForGateway } from '../../../cluster/first-prompt.ts'
import type { UpOptions } from '../../../cluster/options.ts'
import { root } from '../../../cluster/paths.ts'
import type { Progress } from '../../../cluster/progress.ts'
import { installService, releaseOn } from '../../../cluster/service.ts'
import { versions } from '../../../cluster/versions.ts'
import type { Overlay } from '../../../schemas/index.ts'
import {
  clusterObject,
  databaseWhole,
  kubectl,
  namespace,
  release,
  sandboxNamespace,
  workerNamespace,
} from '../catalogue/names.ts'
import type { Step } from './drill.ts'
import type { Environment } from './report.ts'
import type { DrillContext } from './run-drill.ts'
import { runSteps } from './steps.ts'

/** As many pods before, during and after a measurement. */
const two = { replicas: 2, autoscaling: { minReplicas: 2, maxReplicas: 2 } } as const

/**
 * What a drill needs beside the production profile: two of everything that is meant to survive the loss of one, and a rate limit
 * that one tenant's steady load does not reach.
 */
export const drillValues: Overlay = {
  api: { ...two, limits: { requestsPerMinute: 100_000 } },
  worker: two,
  sandbox: { pool: { replicas: 2 } },
  websocket: two,
  postgres: { cnpg: { pooler: { instances: 2 } } },
}

/** Two values objects as one, the second over the first. */
export function merge(base: Overlay, over: Overlay): Overlay {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const before = result[key]
    const both = [before, value].every(
      (one) => typeof one === 'object' && one !== null && !Array.isArray(one),
    )
    result[key] = both ? merge(before as Overlay, value as Overlay) : value
  }
  return result as Overlay
}

/** Brings the cluster up, installs the service with the drills' values and says where drills find it. */
export async function ensureDrillService(
  options: UpOptions,
  progress: Progress,
  folder: string,
  overlay: Overlay = {},
): Promise<DrillContext> {
  const { name, offline } = await bringUpCluster(options, progress)
  await installService(
    { options, offline, values: merge(drillValues, overlay), seconds: 600 },
    progress,
  )
  return drillContext(name, options.port, progress, folder)
}

/** Waits until nothing of an earlier drill or installation is under way: a drill that begins before measures both. */
export async function settle(context: DrillContext, progress: Progress): Promise<void> {
  await progress.step('waiting for the operators', () => runSteps(context, settled, {}, []))
}

/** Operators replace one instance, one pod after the other, long after all pods were ready once. */
const settled: readonly Step[] = [
  {
    title: 'Wait until the operator replaces no PostgreSQL instance any more',
    command: kubectl(
      'wait',
      clusterObject,
      '--for=jsonpath={.status.phase}=Cluster in healthy state',
      '--timeout=600s',
    ),
  },
  databaseWhole,
  {
    title: 'Wait until the API has one version',
    command: kubectl(
      'wait',
      `rollout.argoproj.io/${release}-api`,
      '--for=jsonpath={.status.phase}=Healthy',
      '--timeout=600s',
    ),
  },
]

/** Where drills find a service that is installed. */
export async function drillContext(
  cluster: string,
  port: number,
  progress: Progress,
  folder: string,
): Promise<DrillContext> {
  const url = `http://127.0.0.1:${port}`
  await waitForGateway(url, 120)
  const target = { url, token: await userToken(releaseOn(cluster), 'drill', 'drill') }
  return {
    cluster,
    target,
    namespaces: [namespace, workerNamespace, sandboxNamespace],
    folder,
    progress: progress.line,
  }
}

/** Versions and machine, for the report. */
export async function environment(): Promise<Environment> {
  const commit = await $({ quiet: true, nothrow: true, cwd: root })`git rev-parse --short HEAD`
  const [cpu] = cpus()
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${kernel()}`,
    load: `average of ${loadavg()
      .map((one) => one.toFixed(0))
      .join(', ')} processes over the last 1, 5 and 15 minutes, the cluster itself included`,
    cluster:
      'kind, one control plane, three workers, each a zone of its own, all on the one machine',
    OpenCode: `${own.version}, commit ${commit.stdout.trim()}`,
    Kubernetes: versions.kubernetes,
    CloudNativePG: versions.cloudNativePg,
    'Barman Cloud plugin': versions.barmanPlugin,
    'Envoy Gateway': versions.envoyGateway,
  }
}
