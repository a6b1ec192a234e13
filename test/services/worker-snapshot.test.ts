import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emptyDirectories } from '../../services/sandbox/sweep.ts'
import {
  fingerprint,
  pack,
  snapshotRoots,
  unpack,
  type SnapshotRoots,
} from '../../services/sandbox/snapshot.ts'
import { tempDir } from './support/process.ts'

/** An engine's container of its own. */
function container(session: string): SnapshotRoots {
  const root = tempDir('snapshot')
  return snapshotRoots(
    join(root, 'workspace'),
    join(root, 'home'),
    join(root, 'workspace', session),
  )
}

/** A session with one of each kind of file. */
function filled(): SnapshotRoots {
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
    await unpack(to, await pack(from))
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

describe('GIVEN files whose state is known', () => {
  test('WHEN a tool changes one and sets its time and size back THEN the change is seen', async () => {
    const roots = filled()
    const before = await fingerprint(roots)
    expect(await fingerprint(roots)).toBe(before)
    const script = join(roots.workspace, 'run.sh')
    const { atime, mtime } = statSync(script)
    writeFileSync(script, 'echo jello')
    utimesSync(script, atime, mtime)
    expect(await fingerprint(roots)).not.toBe(before)
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
