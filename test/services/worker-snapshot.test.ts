import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { beforeAll, describe, expect, test } from 'vitest'
import { frame, refOf, seal } from '../../services/protocol/workspace.ts'
import { emptyDirectories } from '../../services/sandbox/sweep.ts'
import { fileRoots, type FileRoots } from '../../services/sandbox/files/roots.ts'
import { SessionFiles } from '../../services/sandbox/files/session-files.ts'
import { tempDir } from './support/process.ts'
import { SnapshotStore } from './support/snapshot-store.ts'

/** An engine's container of its own. */
function container(session: string): FileRoots {
  const root = tempDir('snapshot')
  return fileRoots(join(root, 'workspace'), join(root, 'home'), join(root, 'workspace', session))
}

/** A session with one of each kind of file. */
function filled(): FileRoots {
  const roots = container('ses_one')
  mkdirSync(join(roots.workspace, 'snapshot/empty'), { recursive: true })
  mkdirSync(roots.history, { recursive: true })
  writeFileSync(join(roots.workspace, 'run.sh'), 'echo hello')
  chmodSync(join(roots.workspace, 'run.sh'), 0o755)
  linkSync(join(roots.workspace, 'run.sh'), join(roots.workspace, 'hard'))
  symlinkSync('./run.sh', join(roots.workspace, 'soft'))
  writeFileSync(join(roots.workspace, 'snapshot/ses_one'), 'a file that is named like the roots')
  writeFileSync(join(roots.history, 'record'), 'an earlier state')
  return roots
}

describe('GIVEN the files of a session', () => {
  test.each([
    ['another worker', 'ses_one'],
    ['the worker of a fork', 'ses_fork'],
  ])('WHEN %s unpacks them THEN they are in its directory', async (_, session) => {
    const [from, to] = [filled(), container(session)]
    const store = new SnapshotStore()
    expect(await saved(new SessionFiles(from), store)).toBe(true)
    await new SessionFiles(to).unpack(Readable.from([await store.read()]))
    expect(statSync(join(to.workspace, 'run.sh')).mode & 0o777).toBe(0o755)
    expect(statSync(join(to.workspace, 'hard')).ino).toBe(
      statSync(join(to.workspace, 'run.sh')).ino,
    )
    expect(readlinkSync(join(to.workspace, 'soft'))).toBe('./run.sh')
    expect(readFileSync(join(to.workspace, 'snapshot/ses_one'), 'utf8')).toBe(
      'a file that is named like the roots',
    )
    expect(readdirSync(join(to.workspace, 'snapshot/empty'))).toEqual([])
    expect(readFileSync(join(to.history, 'record'), 'utf8')).toBe('an earlier state')
    expect(readdirSync(to.workspaceRoot)).toEqual([session])
  })
})

/** Stores a snapshot as a worker does. @returns whether the store took it */
async function saved(files: SessionFiles, store: SnapshotStore, isWhole = false): Promise<boolean> {
  await files.look()
  const isTaken = await store.write(await buffer(await files.pack(isWhole)))
  if (isTaken) files.stored()
  return isTaken
}

/** What a restored session's directory says of itself. */
async function restored(store: SnapshotStore): Promise<FileRoots> {
  const roots = container('ses_two')
  await new SessionFiles(roots).unpack(Readable.from([await store.read()]))
  return roots
}

function listing({ workspace }: FileRoots): string {
  const script = String.raw`find . -printf '%P %y %m %s %l\n' | LC_ALL=C sort; find . -type f -readable -exec sha256sum {} + | LC_ALL=C sort`
  return execFileSync('bash', ['-c', script], { cwd: workspace, maxBuffer: 2 ** 26 }).toString()
}

describe('GIVEN a workspace of thousands of files and some large ones', () => {
  const roots = container('ses_many')
  const files = new SessionFiles(roots)
  const store = new SnapshotStore()
  const place = (name: string) => join(roots.workspace, name)

  beforeAll(async () => {
    for (let folder = 0; folder < 40; folder++) {
      mkdirSync(place(`folder ${folder.toString()}`), { recursive: true })
      for (let file = 0; file < 50; file++)
        writeFileSync(place(`folder ${folder.toString()}/${file.toString()}.txt`), randomBytes(900))
    }
    writeFileSync(place('large'), randomBytes(12 * 2 ** 20))
    execFileSync('truncate', ['--size', '64M', place('sparse')])
    writeFileSync(Buffer.concat([Buffer.from(`${roots.workspace}/`), Buffer.of(0xff, 0x0a)]), 'x')
    expect(await saved(files, store)).toBe(true)
  })

  test('WHEN it is restored THEN everything is as it was, holes too', async () => {
    const other = await restored(store)
    expect(listing(other)).toBe(listing(roots))
    expect(statSync(join(other.workspace, 'sparse')).blocks).toBe(0)
    expect(statSync(join(other.workspace, 'large')).mtimeMs).toBeCloseTo(
      statSync(place('large')).mtimeMs,
      0,
    )
  })

  test('WHEN nothing has changed THEN nothing but the head is sent', async () => {
    expect(await saved(files, store)).toBe(true)
    expect(store.uploaded).toBeLessThan(1_000)
  })

  test.each([
    [
      'a small file is changed',
      () => {
        writeFileSync(place('folder 7/7.txt'), 'changed')
      },
      7,
    ],
    [
      'a file is added',
      () => {
        writeFileSync(place('folder 9/new'), 'new')
      },
      3,
    ],
    [
      'a file is deleted',
      () => {
        rmSync(place('folder 3/3.txt'))
      },
      0,
    ],
    [
      'bytes are put into a large file',
      () => {
        const content = readFileSync(place('large'))
        writeFileSync(
          place('large'),
          Buffer.concat([
            content.subarray(0, 5_000_000),
            Buffer.from('in'),
            content.subarray(5_000_000),
          ]),
        )
      },
      2,
    ],
    [
      'a directory is renamed',
      () => {
        renameSync(place('folder 5'), place('folder five'))
      },
      45_000,
    ],
  ])('WHEN %s THEN little more than the change is sent', async (_, change, bytes) => {
    change()
    expect(await saved(files, store)).toBe(true)
    expect(store.uploaded).toBeLessThanOrEqual(3 * bytes + 256 * 2 ** 10)
    expect(listing(await restored(store))).toBe(listing(roots))
  })

  test('WHEN a restored sandbox changes a file THEN it too sends little more than that', async () => {
    const other = container('ses_other')
    const moved = new SessionFiles(other)
    await moved.unpack(Readable.from([await store.read()]))
    writeFileSync(join(other.workspace, 'folder 1/1.txt'), 'changed')
    expect(await saved(moved, store)).toBe(true)
    expect(store.uploaded).toBeLessThan(256 * 2 ** 10)
    expect(listing(await restored(store))).toBe(listing(other))
  })

  test('WHEN the store has another snapshot than the sandbox knows THEN it refuses what relies on it, and takes the whole', async () => {
    writeFileSync(place('folder 2/2.txt'), 'changed here')
    expect(await saved(files, store)).toBe(false)
    expect(await saved(files, store, true)).toBe(true)
    expect(listing(await restored(store))).toBe(listing(roots))
  })
})

describe('GIVEN files that a tool has made hard to read', () => {
  test('WHEN they are stored THEN closed ones are kept with their permissions, and pipes and what is too deep are left out', async () => {
    const roots = container('ses_hostile')
    mkdirSync(roots.workspace, { recursive: true })
    const script =
      'd=$(printf "d%.0s" {1..200}); (for i in {1..60}; do mkdir "$d" && cd "$d"; done); ' +
      'mkdir closed && echo secret > closed/file && chmod 0 closed/file && chmod 0 closed && mkfifo pipe && ln -s / root'
    execFileSync('bash', ['-c', script], { cwd: roots.workspace })
    const store = new SnapshotStore()
    expect(await saved(new SessionFiles(roots), store)).toBe(true)
    const other = await restored(store)
    expect(readdirSync(other.workspace).sort()).toEqual(['closed', 'd'.repeat(200), 'root'].sort())
    expect(statSync(join(other.workspace, 'closed')).mode & 0o777).toBe(0)
    expect(readFileSync(join(other.workspace, 'closed/file'), 'utf8')).toBe('secret\n')
  })

  test.each([
    ['..', [{ path: 'w/../out', kind: 'f', size: 0, offset: 0 }]],
    [
      'a link',
      [
        { path: 'w/a', kind: 'l', to: '/tmp' },
        { path: 'w/a/b', kind: 'f', size: 0, offset: 0 },
      ],
    ],
    ['another root', [{ path: 'x/a', kind: 'd' }]],
  ])('WHEN a snapshot leads out of the session by %s THEN it is refused', async (_, entries) => {
    const stored = await seal(Buffer.from(JSON.stringify({ refs: [], entries })))
    const root = refOf('node', stored)
    const head = frame('head', Buffer.from(JSON.stringify({ root, bytes: 0, entries: 1 })))
    await expect(
      new SessionFiles(container('ses_out')).unpack(Readable.from([head, frame('node', stored)])),
    ).rejects.toThrow(/outside the session|before its directory/)
  })
})

describe('GIVEN files whose state is known', () => {
  test('WHEN a tool changes one and sets its time and size back THEN the change is seen', async () => {
    const roots = filled()
    const files = new SessionFiles(roots)
    const before = await files.look()
    expect(await files.look()).toBe(before)
    const script = join(roots.workspace, 'run.sh')
    const { atime, mtime } = statSync(script)
    writeFileSync(script, 'echo jello')
    utimesSync(script, atime, mtime)
    expect(await files.look()).not.toBe(before)
  })
})

describe('GIVEN what a tool has made hard to remove', () => {
  test('WHEN the directory is emptied THEN nothing is left', async () => {
    const root = tempDir('hostile')
    // Deeper than any path may be long, with a name that is no text, and closed.
    const script =
      'umask 0; d=$(printf "d%.0s" {1..200}); for i in {1..60}; do mkdir "$d" && cd "$d"; done; ' +
      `cd '${root}' && mkdir closed && touch closed/file && chmod 0 closed && touch "$(printf '\\377\\n')"`
    execFileSync('bash', ['-c', script], { cwd: root })
    await emptyDirectories([root])
    expect(readdirSync(root)).toEqual([])
  })
})
