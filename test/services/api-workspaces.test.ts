import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { frame, refOf, seal } from '../../services/protocol/workspace.ts'
import { fileRoots } from '../../services/sandbox/files/roots.ts'
import { SessionFiles } from '../../services/sandbox/files/session-files.ts'
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

/** A session's directory, and a turn of it that is under way. */
async function session(tenant: string) {
  const client = new Client(api.url, await token(tenant))
  const worker = new ScriptedWorker(api.url, stores)
  const { id } = await client.call<{ id: string }>('POST', '/session', {})
  await client.call('POST', `/session/${id}/prompt_async`, {
    parts: [{ type: 'text', text: 'go' }],
  })
  const turn = await worker.claim(id)
  const root = tempDir('workspace')
  const roots = fileRoots(join(root, 'workspace'), join(root, 'home'), join(root, 'workspace', id))
  mkdirSync(roots.workspace, { recursive: true })
  const put = (body: Buffer) =>
    worker.send(turn.id, 'PUT', '/workspace', body, { 'x-opencode-fence': turn.fence.toString() })
  const get = async () =>
    Buffer.from(await (await worker.send(turn.id, 'GET', '/workspace')).arrayBuffer())
  return { id, roots, files: new SessionFiles(roots), put, get, worker, turn }
}

/** Bytes that a session's store holds. */
async function stored(id: string): Promise<number> {
  const rows = await stores.postgres.primary.query<{ bytes: string | null }>(
    'SELECT sum(length(data)) AS bytes FROM workspace_objects WHERE store_id = $1',
    [id],
  )
  return Number(rows[0]?.bytes ?? 0)
}

describe('GIVEN a session whose files change', () => {
  test('WHEN old states are collected THEN what the newest one needs is still there, and little else', async () => {
    const { id, roots, files, put, get } = await session('collected')
    const save = async () => {
      await files.look()
      expect((await put(await buffer(await files.pack()))).status).toBe(204)
      files.stored()
    }
    writeFileSync(join(roots.workspace, 'kept'), randomBytes(2 ** 20))
    for (let time = 0; time < 9; time++) {
      writeFileSync(join(roots.workspace, 'changing'), randomBytes(2.5 * 2 ** 20))
      await save()
    }
    const before = await stored(id)
    expect(before).toBeGreaterThan(20 * 2 ** 20)
    // Objects of the last two hours stay.
    await api.services.workspaces.sweep()
    expect(await stored(id)).toBe(before)
    await stores.postgres.primary.query(
      `UPDATE workspace_objects SET touched_at = now() - interval '3 hours'`,
    )
    await stores.postgres.primary.query('UPDATE workspace_stores SET written = written + 30000000')
    await api.services.workspaces.sweep()
    expect(await stored(id)).toBeLessThan(4 * 2 ** 20)
    const to = tempDir('restored')
    const restored = fileRoots(join(to, 'workspace'), join(to, 'home'), join(to, 'workspace', id))
    await new SessionFiles(restored).unpack(Readable.from([await get()]))
    for (const name of ['kept', 'changing'])
      expect(
        readFileSync(join(restored.workspace, name)).equals(
          readFileSync(join(roots.workspace, name)),
        ),
      ).toBe(true)
  })

  test('WHEN a snapshot relies on one that is not the newest THEN it is refused with 412, and the whole is taken', async () => {
    const { roots, files, put } = await session('stale')
    writeFileSync(join(roots.workspace, 'file'), 'one')
    const first = await buffer(await files.pack())
    expect((await put(first)).status).toBe(204)
    files.stored()
    const rival = new SessionFiles(roots)
    writeFileSync(join(roots.workspace, 'file'), 'two')
    expect((await put(await buffer(await rival.pack()))).status).toBe(204)
    writeFileSync(join(roots.workspace, 'file'), 'three')
    await files.look()
    const refused = await put(await buffer(await files.pack()))
    expect(refused.status).toBe(412)
    expect(await refused.json()).toMatchObject({ type: 'stale-base' })
    expect((await put(await buffer(await files.pack(true)))).status).toBe(204)
  })

  test.each([
    [
      'bytes',
      (place: string) => {
        writeFileSync(join(place, 'big'), randomBytes(5 * 2 ** 20))
      },
      /take \d+ bytes; 4194304 are the limit/,
    ],
    [
      'entries',
      (place: string) => {
        // One file is there already.
        for (let file = 0; file < 10_001; file++) writeFileSync(join(place, file.toString()), '')
      },
      /10002 files, directories and links; 10000 are the limit/,
    ],
  ])(
    'WHEN they are past the limit of %s THEN 413 says so and the state before is kept',
    async (_, fill, sentence) => {
      const { roots, files, put, get } = await session('large')
      writeFileSync(join(roots.workspace, 'small'), 'kept')
      expect((await put(await buffer(await files.pack()))).status).toBe(204)
      files.stored()
      const before = await get()
      fill(roots.workspace)
      await files.look()
      const refused = await put(await buffer(await files.pack()))
      expect(refused.status).toBe(413)
      expect(await refused.json()).toMatchObject({
        type: 'workspace-too-large',
        detail: expect.stringMatching(sentence) as string,
      })
      expect(await get()).toEqual(before)
      rmSync(roots.workspace, { recursive: true })
    },
  )

  test('WHEN a sandbox sends what is no snapshot THEN 400 says so and nothing is kept', async () => {
    const { put, worker, turn } = await session('hostile')
    const node = await seal(Buffer.from('{"refs":[]}'))
    const head = (root?: string) =>
      frame('head', Buffer.from(JSON.stringify({ bytes: 0, entries: 0, ...(root && { root }) })))
    for (const body of [
      Buffer.from('files'),
      frame('head', Buffer.from('{')),
      frame('head', Buffer.from('{"bytes":-1}')),
      frame('node', node),
      head(),
      // Its root was never sent.
      Buffer.concat([head(), head(refOf('node', node))]),
      Buffer.concat([head(), frame('node', node).subarray(0, 9)]),
    ])
      expect((await put(body)).status).toBe(400)
    expect((await worker.send(turn.id, 'GET', '/workspace')).status).toBe(204)
  })
})
