import { beforeAll, describe, expect, it } from 'vitest'
import { $ } from 'zx'
import { prompt, userToken, waitForGateway } from '../../cluster/first-prompt.ts'
import { clusterEnv } from '../../cluster/kind-cluster.ts'
import { tool } from '../../cluster/paths.ts'
import {
  helm,
  installRelease,
  releasePods,
  sandboxesNamespace,
  waitForRelease,
  workersNamespace,
} from '../../cluster/release.ts'
import { ensureRoutes } from '../../cluster/routes.ts'
import { options, release, url } from './lib/environment.ts'
import { api } from './lib/kubernetes.ts'

const silent = (): void => undefined

describe('an install with no values on an empty cluster', () => {
  beforeAll(async () => {
    await installRelease(release, { valuesFiles: [] })
  })

  it('makes every pod ready', async () => {
    await waitForRelease(release, 480, silent)
    const names = (await releasePods(release)).map(({ metadata }) => metadata.name).join(' ')
    for (const component of ['api', 'worker', 'sandbox', 'websocket', 'postgres', 'redis'])
      expect(names).toContain(`opencode-${component}-`)
  })

  it.each(['opencode', workersNamespace, sandboxesNamespace])(
    'runs pods that meet the restricted Pod Security Standard in %s',
    async (namespace) => {
      // The API server itself judges the pods that are there and warns of each that a stricter level would refuse.
      const label = 'pod-security.kubernetes.io/enforce=restricted'
      const run = $({ quiet: true, env: clusterEnv(options.name) })
      const result =
        await run`${tool('kubectl')} label namespace ${namespace} ${label} --overwrite --dry-run=server`
      expect(result.stderr).toBe('')
    },
  )

  it('keeps every password out of pod specifications', async () => {
    for (const namespace of ['opencode', workersNamespace, sandboxesNamespace]) {
      const { items } = await api().core.listNamespacedSecret({ namespace })
      const secrets = items
        .filter(({ type }) => type === 'Opaque')
        .flatMap(({ data }) => Object.values(data ?? {}))
      const pods = JSON.stringify((await api().core.listNamespacedPod({ namespace })).items)
      for (const secret of secrets)
        expect(pods).not.toContain(Buffer.from(secret, 'base64').toString())
    }
  })

  it('passes helm test', async () => {
    expect(await helm(release, ['test', release.name, '--timeout', '3m'])).toMatch(
      /Phase:\s+Succeeded/,
    )
  })

  it("answers a prompt of OpenCode's own client through the gateway", async () => {
    await ensureRoutes(release)
    await waitForGateway(url, 60)
    const answer = await prompt(
      url,
      await userToken(release),
      'Say hello and tell me which model you are.',
    )
    expect(answer).toMatch(/demo/i)
  })
})
