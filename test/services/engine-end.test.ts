import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Engine } from '../../services/sandbox/engine.ts'
import { engineSettings } from '../../services/sandbox/settings.ts'
import { freePort } from './support/free-port.ts'
import { descendantNamed, tempDir } from './support/process.ts'

const folder = tempDir('engine')
const port = await freePort()
const engine = new Engine(
  engineSettings({
    OPENCODE_BINARY: createRequire(import.meta.url).resolve('opencode-linux-x64/bin/opencode'),
    ENGINE_PORT: port.toString(),
    ENGINE_HOME: join(folder, 'home'),
    ENGINE_TMP: join(folder, 'tmp'),
    WORKSPACE_ROOT: join(folder, 'workspace'),
    ENGINE_START_TIMEOUT_MS: '180000',
    ENGINE_CHECK_INTERVAL_MS: '60000',
  }),
  () => undefined,
)

afterAll(async () => {
  await engine.stop()
})

test('GIVEN an engine that dies WHEN who loses a connection has it replaced at once THEN it is a crash all the same', async () => {
  for (let crashes = 1; crashes <= 3; crashes += 1) {
    const { password } = await engine.start({})
    const request = get({
      port,
      host: '127.0.0.1',
      path: '/global/event',
      auth: `opencode:${password}`,
      agent: false,
    })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    // As soon as it breaks: the operating system has not told of the engine's end yet.
    const stopped = new Promise<void>((resolve) => {
      response
        .resume()
        .on('error', () => undefined)
        .on('close', () => {
          resolve(engine.stop())
        })
    })
    const pid = descendantNamed(process.pid, 'opencode')
    if (pid === undefined) throw new Error('no engine runs')
    process.kill(pid, 'SIGKILL')
    await stopped
    expect(engine.failures).toMatchObject({ crash: crashes })
  }
  const { crash } = engine.failures
  await engine.start({})
  await engine.stop()
  expect(engine.failures).toMatchObject({ crash, hang: 0, memory: 0, start: 0 })
}, 300_000)
