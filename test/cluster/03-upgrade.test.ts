import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { $ } from 'zx'
import { userToken, waitForGateway } from '../../cluster/first-prompt.ts'
import { root } from '../../cluster/paths.ts'
import { helm, installRelease, waitForRelease, type Release } from '../../cluster/release.ts'
import { ask, createSession, history } from './lib/client.ts'
import { kindValues, release, url } from './lib/environment.ts'
import { api } from './lib/kubernetes.ts'

const silent = (): void => undefined

/** The chart as the commit before the last change to it had it: what a user upgrades from. */
async function previousChart(folder: string): Promise<string> {
  const git = $({ quiet: true, cwd: root })
  const log = await git`git log --format=%H --max-count=2 -- chart`
  const commit = log.stdout.trim().split('\n')[1] ?? 'HEAD'
  const archive = join(folder, 'chart.tar')
  await git`git archive --output ${archive} ${commit} chart`
  await $({ quiet: true })`tar --extract --file ${archive} --directory ${folder}`
  return join(folder, 'chart')
}

/** Identities of the pods of long-running components. */
async function podUids(): Promise<string[]> {
  const labelSelector = 'app.kubernetes.io/component in (api, worker, websocket, postgres, redis)'
  const { items } = await api().core.listPodForAllNamespaces({ labelSelector })
  return items.map(({ metadata }) => metadata?.uid ?? '').sort()
}

describe('upgrade and rollback', () => {
  const folder = mkdtempSync(join(tmpdir(), 'previous-chart-'))
  let token = ''
  let session = ''

  beforeAll(async () => {
    await installRelease(release, { chart: await previousChart(folder), valuesFiles: [kindValues] })
    await waitForRelease(release, 480, silent)
    await waitForGateway(url, 60)
    token = await userToken(release)
    session = (await createSession(token, 'written before the upgrade')).id
    await ask(token, session, 'Remember the word heron.')
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const readable = async (): Promise<void> => {
    await waitForRelease(release, 480, silent)
    await waitForGateway(url, 60)
    expect((await history(token, session)).join('\n')).toContain('heron')
    expect(await ask(token, session, 'And again.')).not.toBe('')
  }

  it('to this chart keeps sessions and tokens', async () => {
    await installRelease(release, { valuesFiles: [kindValues] })
    await readable()
  })

  it('by Helm 4 takes over what Helm 3 installed', async () => {
    const fourth: Release = { ...release, helm: 'helm4' }
    await installRelease(fourth, { valuesFiles: [kindValues] })
    await readable()
  })

  it('back to the revision before keeps them too', async () => {
    await helm(release, ['rollback', release.name])
    await readable()
  })

  it('a second time with the same values restarts nothing', async () => {
    await installRelease(release, { valuesFiles: [kindValues] })
    await waitForRelease(release, 480, silent)
    const before = await podUids()
    await installRelease(release, { valuesFiles: [kindValues] })
    await waitForRelease(release, 480, silent)
    expect(await podUids()).toEqual(before)
  })
})
