import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { projectOf } from '../../services/sandbox/project.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { tempDir } from './support/process.ts'
import { ScriptedWorker } from './support/scripted-worker.ts'

let stores: Stores
let api: TestApi

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores)
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

describe('GIVEN a session whose directory becomes a repository, and none again', () => {
  test('WHEN its project is asked for THEN it is what the last turn left', async () => {
    const client = new Client(api.url, await token('acme'))
    const worker = new ScriptedWorker(api.url, stores)
    const { id, directory } = await client.call<{ id: string; directory: string }>(
      'POST',
      '/session',
      {},
    )
    const files = tempDir('repository')
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=n', '-c', 'user.email=n@example.com', ...args], {
        cwd: files,
        encoding: 'utf8',
      }).trim()
    const turn = async (project: unknown) => {
      const answer = client.send('POST', `/session/${id}/shell`, { agent: 'build', command: 'x' })
      const { id: turnID, fence } = await worker.claim(id)
      const response = { status: 200, headers: {}, body: {} }
      const body = { fence, outcome: 'completed', response, project }
      expect((await worker.send(turnID, 'POST', '/complete', body)).status).toBe(200)
      await answer
      return client.call('GET', `/project/current?directory=${directory}`)
    }
    const none = { id: 'global', worktree: '/', sandboxes: [] }
    expect(await turn(await projectOf(files))).toMatchObject(none)
    git('init', '-q')
    expect(await turn(await projectOf(files))).toMatchObject({ id: 'global', vcs: 'git' })
    git('commit', '-q', '--allow-empty', '-m', 'first')
    const repository = { id: git('rev-parse', 'HEAD'), vcs: 'git', worktree: directory }
    expect(await turn(await projectOf(files))).toMatchObject(repository)
    // What a tool makes a worker say is not believed, and ends no turn.
    expect(await turn({ id: '../x', vcs: 'git' })).toMatchObject(repository)
    expect(await client.call('GET', `/path?directory=${directory}`)).toMatchObject({
      worktree: directory,
    })
    expect(await client.call('GET', '/project/current')).toMatchObject(none)
    rmSync(join(files, '.git'), { recursive: true })
    expect(await turn(await projectOf(files))).not.toHaveProperty('vcs')
    rmSync(files, { recursive: true })
  })
})
