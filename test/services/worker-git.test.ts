import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startBareEngine, type BareEngine } from './support/bare-engine.ts'
import { startSystem, type System } from './support/system.ts'

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 })

interface Message {
  info: { id: string; role: string }
  parts: { type: string; text?: string; files?: string[] }[]
}
/** Where a script of requests is played: the service or the bare engine. */
interface Stage {
  directory(session: { id: string }): string
  call<T>(method: string, path: string, body?: unknown): Promise<T>
  /** Between two turns: the service gives the next one a new engine; here the directory is opened again. */
  between(directory: string): Promise<unknown>
}

let system: System
let bare: BareEngine
const bareDirectory = mkdtempSync(join(tmpdir(), 'opencode-bare-'))

beforeAll(async () => {
  system = await startSystem()
  bare = await startBareEngine(system.models.llm)
})
afterAll(async () => {
  await bare.stop()
  await system.stop()
  rmSync(bareDirectory, { recursive: true, force: true })
})

// Fixed dates, so that both repositories have the same commits.
const git =
  'git -c user.name=n -c user.email=n@example.com -c commit.gpgsign=false -c init.defaultBranch=trunk'
const dated = 'GIT_AUTHOR_DATE=@1700000000+0000 GIT_COMMITTER_DATE=@1700000000+0000'

/** What a person does in a session that becomes a repository, and what each step answers. */
async function play(stage: Stage): Promise<Record<string, unknown>> {
  const isBare = stage.directory({ id: '' }) === bareDirectory
  const first = isBare ? `?directory=${encodeURIComponent(bareDirectory)}` : ''
  const session = await stage.call<{ id: string }>('POST', `/session${first}`, {})
  const directory = stage.directory(session)
  const at = (path: string) =>
    `${path}${path.includes('?') ? '&' : '?'}directory=${encodeURIComponent(directory)}`
  const bash = async (command: string) => {
    const input = JSON.stringify({ command, description: 'A step' })
    const { parts } = await stage.call<Message>('POST', at(`/session/${session.id}/message`), {
      parts: [{ type: 'text', text: `[[tool bash ${input}]]` }],
    })
    await stage.between(directory)
    return parts.map(({ text = '' }) => text).join('')
  }
  const read = async (path: string) => {
    const text = JSON.stringify(await stage.call<object>('GET', at(path)))
    // What differs by nature: when, where, and under which id.
    const plain = text.replaceAll(directory, '<directory>').replaceAll(session.id, '<session>')
    return JSON.parse(plain.replaceAll(/"time":\{[^}]*\}/g, '"time":{}')) as unknown
  }
  const answers: Record<string, unknown> = {}
  answers['before'] = await read('/project/current')
  await bash(
    `${git} init -q && echo one > a.txt && ${git} add . && ${dated} ${git} commit -qm first`,
  )
  answers['committed'] = [await read('/project/current'), await read('/vcs')]
  await bash('echo two >> a.txt; echo new > b.txt')
  for (const path of ['/vcs/diff?mode=git', '/project/current']) answers[path] = await read(path)
  const messages = await stage.call<Message[]>('GET', at(`/session/${session.id}/message`))
  const last = messages.findLast(({ info }) => info.role === 'user')
  answers['patches'] = messages
    .flatMap(({ parts }) => parts)
    .filter(({ type }) => type === 'patch')
    .map(({ files }) => files?.map((file) => file.replace(directory, '')))
  await stage.call('POST', at(`/session/${session.id}/revert`), { messageID: last?.info.id })
  answers['undone'] = await read('/vcs/status')
  await stage.call('POST', at(`/session/${session.id}/unrevert`), {})
  answers['redone'] = await read('/vcs/status')
  await bash('rm -rf .git')
  answers['removed'] = await read('/project/current')
  answers['after'] = (await bash('cat a.txt')).trim()
  return answers
}

describe('GIVEN a session in which git is begun', () => {
  test('WHEN its changes are looked at and undone THEN the answers are those of a bare engine', async () => {
    const client = await system.client()
    const service = await play({
      directory: ({ id }) => join(system.workspaceRoot, id),
      call: (method, path, body) => client.call(method, path, body) as never,
      between: () => Promise.resolve(),
    })
    const expected = await play({
      directory: () => bareDirectory,
      call: (method, path, body) => bare.call(method, path, body) as never,
      between: (directory) =>
        bare.call('POST', `/instance/dispose?directory=${encodeURIComponent(directory)}`),
    })
    expect(service).toEqual(expected)
    expect(expected['committed']).toMatchObject([{ vcs: 'git' }, { branch: 'trunk' }])
    expect(expected['/vcs/diff?mode=git']).toHaveLength(2)
    expect(expected['undone']).toEqual([])
    expect(expected['redone']).toHaveLength(2)
  })
})
