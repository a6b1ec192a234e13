import { execFileSync } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { freePort } from './support/free-port.ts'

const module = pathToFileURL(join(import.meta.dirname, 'support/free-port.ts')).href
const script = `const { freePort } = await import(${JSON.stringify(module)}); const ports = []; for (let index = 0; index < 600; index++) ports.push(await freePort()); console.log(ports.join())`

describe('a free port', () => {
  it('is none that Linux gives to anybody else, and can be listened on', async () => {
    const port = await freePort()
    expect(port).toBeLessThan(32_768)
    const server = createServer()
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, resolve))
    await new Promise((resolve) => server.close(resolve))
  })

  it('is given to one process only', async () => {
    const mine = new Set(await Promise.all(Array.from({ length: 400 }, () => freePort())))
    expect(mine.size).toBe(400)
    const loader = pathToFileURL(
      join(import.meta.dirname, '../../node_modules/tsx/dist/loader.mjs'),
    ).href
    const theirs = execFileSync(
      process.execPath,
      ['--import', loader, '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    )
      .trim()
      .split(',')
      .map(Number)
    expect(new Set(theirs).size).toBe(600)
    expect(theirs.filter((port) => mine.has(port))).toEqual([])
  })
})
