import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { shell } from '../../services/sandbox/settings.ts'
import { tempDir } from './support/process.ts'
import { until } from './support/until.ts'

interface Ended {
  code: number | null
  out: string
  err: string
}

const directory = tempDir('shell')
/** Process ids that the tests' commands have left behind. */
const left = join(directory, 'left')
const leave = (command: string) => `${command} & echo $! >> ${left}`

afterAll(() => {
  const pids = readFileSync(left, 'utf8').trim().split('\n').map(Number)
  for (const pid of pids) if (isOurs(pid)) process.kill(pid, 'SIGKILL')
})

/** Whether the process still runs, and its id is not that of another meanwhile. */
function isOurs(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid.toString()}/cwd`) === directory
  } catch {
    return false
  }
}

/** Runs a command as the engine does, and ends when nothing holds its output any more. */
function run(command: string, ...args: string[]): { ended: Promise<Ended>; group: number } {
  const child = spawn(shell, ['-c', command, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString('latin1')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString('latin1')
  })
  const ended = new Promise<Ended>((done, fail) =>
    child.on('error', fail).on('close', (code) => {
      done({ code, ...said })
    }),
  )
  return { ended, group: -(child.pid ?? Number.NaN) }
}

describe('GIVEN the shell of the engine', () => {
  test('WHEN a command ends THEN its output, its errors and its code are those of bash', async () => {
    expect(
      await run('echo "$0 $1 $BASH"; echo wrong >&2; exit 3', 'opencode', 'one').ended,
    ).toEqual({ code: 3, out: 'opencode one /bin/bash\n', err: 'wrong\n' })
    expect((await run('kill -KILL $$').ended).code).toBe(128 + 9)
  })

  test.each([
    ['nothing', 'sleep 987'],
    ['much', 'yes'],
    ['nothing, in a session of its own', 'setsid sleep 987'],
  ])(
    'WHEN a command leaves a process that says %s THEN it ends all the same, its own output whole',
    async (_, background) => {
      const { code, out } = await run(
        `${leave(background)}; head -c 3000000 /dev/zero; echo over; exit 4`,
      ).ended
      expect(code).toBe(4)
      expect(out.replaceAll(/[y\n\0]/g, '')).toBe('over')
      expect(out.split('\0')).toHaveLength(3_000_001)
    },
  )

  test('WHEN what it left goes on writing THEN it lives', async () => {
    const finished = join(directory, 'finished')
    await run(
      leave(
        `(until [ -e goon ]; do sleep 0.1; done; for i in {1..20000}; do echo line $i; done; touch ${finished})`,
      ),
    ).ended
    await run('touch goon').ended
    await until(
      () => existsSync(finished),
      60_000,
      'the process in the background to live to its end',
    )
  })

  test('WHEN its group is told to end THEN it waits for a command that cleans up first', async () => {
    const { ended, group } = run(
      'trap "echo cleaned; exit 5" TERM; echo ready > ready; while :; do sleep 0.1; done',
    )
    await until(() => existsSync(join(directory, 'ready')))
    process.kill(group, 'SIGTERM')
    expect(await ended).toMatchObject({ code: 5, out: 'cleaned\n' })
  })

  test('WHEN its group is ended by force THEN nothing is left of it', async () => {
    const { ended, group } = run('trap "" TERM; echo ready > deaf; sleep 987; sleep 987')
    await until(() => existsSync(join(directory, 'deaf')))
    process.kill(group, 'SIGKILL')
    expect((await ended).code).toBeNull()
  })
})
