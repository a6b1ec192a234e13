import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

/** What `wrangler deploy` would do: bundles the Worker and reads its configuration, without a network. */
async function deploy(environment: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'edge-wrangler-'))
  try {
    const args = [
      'deploy',
      '--dry-run',
      '--config',
      'edge/wrangler.jsonc',
      '--env',
      environment,
      '--outdir',
      join(folder, 'out'),
    ]
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      CI: 'true',
      NO_COLOR: '1',
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_LOG_PATH: folder,
    }
    const { stdout, stderr } = await promisify(execFile)(
      join(root, 'node_modules', '.bin', 'wrangler'),
      args,
      { cwd: root, env },
    )
    return stdout + stderr
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe('wrangler takes the configuration', () => {
  for (const environment of ['', 'staging', 'production']) {
    it(`of the environment "${environment}" without a warning`, async () => {
      const output = await deploy(environment)
      expect(output).toContain('env.HEALTH (HealthObject)')
      expect(output).toContain('--dry-run: exiting now.')
      expect(output).not.toMatch(/WARNING|ERROR|deprecated/i)
    }, 180_000)
  }
})
