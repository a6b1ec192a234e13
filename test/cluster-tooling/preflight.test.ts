import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { checkMachine, isListening, type Machine } from '../../cluster/preflight.ts'

const GiB = 1024 ** 3
const good: Machine = {
  platform: 'linux',
  architecture: 'x64',
  root: true,
  dockerGroup: true,
  diskFree: 100 * GiB,
  memoryAvailable: 16 * GiB,
  memoryTotal: 24 * GiB,
  processors: 2,
  takenPorts: [],
  clusterRuns: false,
}

describe('checkMachine', () => {
  it('finds nothing wrong with a good machine', () => {
    expect(checkMachine(good, true)).toEqual([])
  })

  it.each<[string, Partial<Machine>, boolean, RegExp]>([
    [
      'another system',
      { platform: 'darwin', architecture: 'arm64' },
      false,
      /darwin\/arm64 is not supported: use a Linux machine/,
    ],
    ['no right to use Docker', { root: false, dockerGroup: false }, false, /usermod -aG docker/],
    ['no root to build with', { root: false }, true, /needs root: run this as root/],
    [
      'a full disk',
      { diskFree: 3 * GiB },
      false,
      /3\.0 GiB of disk are free and 10\.0 GiB are needed/,
    ],
    [
      'little memory',
      { memoryAvailable: GiB },
      false,
      /1\.0 GiB of memory are free and 5\.0 GiB are needed/,
    ],
    ['one processor', { processors: 1 }, false, /two or more/],
    ['a taken port', { takenPorts: [8080] }, false, /port 8080 of 127\.0\.0\.1 is taken.*--port/],
  ])('names %s and what to do', (_name, change, offline, message) => {
    const problems = checkMachine({ ...good, ...change }, offline)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(message)
  })

  it('lists every problem at once', () => {
    expect(
      checkMachine({ ...good, diskFree: 0, processors: 1, takenPorts: [8080, 5001] }, false),
    ).toHaveLength(4)
  })

  it('does not count a running cluster against itself', () => {
    expect(
      checkMachine({ ...good, clusterRuns: true, memoryAvailable: GiB, takenPorts: [8080] }, false),
    ).toEqual([])
  })
})

describe('isListening', () => {
  it('tells a taken port from a free one', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    expect(await isListening(port)).toBe(true)
    await new Promise((resolve) => server.close(resolve))
    expect(await isListening(port)).toBe(false)
  })
})
