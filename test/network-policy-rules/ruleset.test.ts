import { join } from 'node:path'
import { expect, it } from 'vitest'
import { $ } from 'zx'
import { root } from '../../cluster/paths.ts'
import { versions } from '../../cluster/versions.ts'

// The agent is written in Go, and so are the tests of what it makes of a set of policies; they need no cluster.
it('makes the rules that each kind of policy means', async () => {
  const env = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: versions.goToolchain }
  const run = $({ cwd: join(root, 'cluster', 'network-policy'), env, nothrow: true, quiet: true })
  // As the agent itself is built: Kubernetes' packages are not compiled a second time.
  const result = await run`go test -trimpath ./...`
  expect(result.stdout + result.stderr).not.toContain('FAIL')
  expect(result.exitCode).toBe(0)
})
