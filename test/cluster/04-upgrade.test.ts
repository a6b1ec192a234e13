import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { userToken, waitForGateway } from '../../cluster/first-prompt.ts'
import { stateDir } from '../../cluster/paths.ts'
import { publicRegistryReachable } from '../../cluster/public-registry.ts'
import {
  helm,
  installRelease,
  removeRelease,
  waitForRelease,
  type Release,
} from '../../cluster/release.ts'
import { ensureRoutes } from '../../cluster/routes.ts'
import { earlierCharts, prepareEarlier } from './lib/charts.ts'
import { ask, createSession, history } from './lib/client.ts'
import { kindValues, release, url } from './lib/environment.ts'
import { api } from './lib/kubernetes.ts'

const silent = (): void => undefined

/** Identities of the pods of long-running components, without those that leave. */
async function podUids(): Promise<string[]> {
  const labelSelector = 'app.kubernetes.io/component in (api, worker, websocket, postgres, redis)'
  const { items } = await api().core.listPodForAllNamespaces({ labelSelector })
  return items
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata?.uid ?? '')
    .sort()
}

describe.each(await earlierCharts())('an upgrade from $name', ({ commit }) => {
  mkdirSync(stateDir, { recursive: true })
  // Beside node_modules, which it is given links to.
  const folder = mkdtempSync(join(stateDir, 'earlier-'))
  let token = ''
  let session = ''

  beforeAll(async () => {
    await removeRelease(release)
    const offline = !(await publicRegistryReachable())
    await installRelease(release, await prepareEarlier(commit, folder, offline))
    await ensureRoutes(release)
    await waitForRelease(release, 480, silent)
    await waitForGateway(url, 60)
    token = await userToken(release)
    session = (await createSession(token, 'written before the upgrade')).id
    await ask(token, session, 'Remember the word heron.')
  })

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  const readable = async (): Promise<void> => {
    await waitForRelease(release, 480, silent)
    await waitForGateway(url, 60)
    expect((await history(token, session)).join('\n')).toContain('heron')
    expect(await ask(token, session, 'And again.')).not.toBe('')
  }

  it('keeps sessions and tokens', async () => {
    await installRelease(release, { valuesFiles: [kindValues] })
    await readable()
  })

  it('is rolled back with what was written before and after it', async () => {
    await helm(release, ['rollback', release.name])
    await readable()
  })
})

describe('a release that Helm 3 installed', () => {
  const fourth: Release = { ...release, helm: 'helm4' }

  it('is taken over by Helm 4', async () => {
    await installRelease(fourth, { valuesFiles: [kindValues] })
    await waitForRelease(release, 480, silent)
    await waitForGateway(url, 60)
  })

  it('restarts nothing when the same values are installed again', async () => {
    const before = await podUids()
    await installRelease(fourth, { valuesFiles: [kindValues] })
    await waitForRelease(release, 480, silent)
    expect(await podUids()).toEqual(before)
  })
})
